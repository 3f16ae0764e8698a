-- Users and groups of the warehouse, with the least privileges each. Run as a superuser, on a new or an
-- existing database. It can be run again at any time:
--     psql "$ADMIN_URL" -v iam_role=arn:aws:iam::<account>:role/<name> -f docs/access/redshift.sql
-- It sets no passwords: set one for each user with alter user <name> password '…'.
\set ON_ERROR_STOP on

select 'create user hello_korea_loader password disable'
where not exists (select 1 from pg_user where usename = 'hello_korea_loader') \gexec
select 'create user hello_korea_transformer password disable'
where not exists (select 1 from pg_user where usename = 'hello_korea_transformer') \gexec
select 'create user hello_korea_exporter password disable'
where not exists (select 1 from pg_user where usename = 'hello_korea_exporter') \gexec
select 'create group hello_korea_readers'
where not exists (select 1 from pg_group where groname = 'hello_korea_readers') \gexec
select 'create group hello_korea_developers'
where not exists (select 1 from pg_group where groname = 'hello_korea_developers') \gexec

-- Who may use the role that reads and writes the lake. By default, everybody may.
revoke assumerole on all from public for all;
grant assumerole on :'iam_role' to hello_korea_loader for copy;
grant assumerole on :'iam_role' to hello_korea_transformer for unload;
grant assumerole on :'iam_role' to hello_korea_exporter for unload;

revoke create on schema public from public;

-- The loader owns two schemas per source, one for its tables and one from which dlt merges. It can't
-- create others.
create schema if not exists staging_tour authorization hello_korea_loader;
create schema if not exists staging_tour_staging authorization hello_korea_loader;
create schema if not exists staging_kopis authorization hello_korea_loader;
create schema if not exists staging_kopis_staging authorization hello_korea_loader;
create schema if not exists staging_seoul authorization hello_korea_loader;
create schema if not exists staging_seoul_staging authorization hello_korea_loader;
create schema if not exists staging_kma authorization hello_korea_loader;
create schema if not exists staging_kma_staging authorization hello_korea_loader;
create schema if not exists staging_travelpayouts authorization hello_korea_loader;
create schema if not exists staging_travelpayouts_staging authorization hello_korea_loader;
create schema if not exists staging_incheon authorization hello_korea_loader;
create schema if not exists staging_incheon_staging authorization hello_korea_loader;
create schema if not exists staging_exim authorization hello_korea_loader;
create schema if not exists staging_exim_staging authorization hello_korea_loader;
create schema if not exists staging_web_logs authorization hello_korea_loader;
create schema if not exists staging_runs authorization hello_korea_loader;
create schema if not exists staging_runs_staging authorization hello_korea_loader;

-- The transformer runs dbt. It reads the loaded schemas and owns the built ones.
\set sources 'staging_tour, staging_kopis, staging_seoul, staging_kma,'
\set sources :sources ' staging_travelpayouts, staging_incheon, staging_exim, staging_web_logs,'
\set sources :sources ' staging_runs'
grant usage on schema :sources to hello_korea_transformer;
grant select on all tables in schema :sources to hello_korea_transformer;
alter default privileges for user hello_korea_loader in schema :sources
    grant select on tables to hello_korea_transformer;
create schema if not exists seeds authorization hello_korea_transformer;
create schema if not exists staging authorization hello_korea_transformer;
create schema if not exists snapshots authorization hello_korea_transformer;
create schema if not exists intermediate authorization hello_korea_transformer;
create schema if not exists star authorization hello_korea_transformer;
create schema if not exists frequent authorization hello_korea_transformer;
create schema if not exists serving authorization hello_korea_transformer;
-- The loader reads which days of a history the models keep, to forget them in staging.
grant usage on schema intermediate to hello_korea_loader;
grant select on all tables in schema intermediate to hello_korea_loader;
alter default privileges for user hello_korea_transformer in schema intermediate
    grant select on tables to hello_korea_loader;
-- For the table sizes in `dbt docs generate`.
grant select on svv_table_info to hello_korea_transformer;

-- The exporter reads the marts that the website gets, and nothing else.
grant usage on schema serving to hello_korea_exporter;
grant select on all tables in schema serving to hello_korea_exporter;
alter default privileges for user hello_korea_transformer in schema serving
    grant select on tables to hello_korea_exporter;

-- Analysts: alter group hello_korea_readers add user <name>.
\set marts 'star, frequent, serving, snapshots'
grant usage on schema :marts to group hello_korea_readers;
grant select on all tables in schema :marts to group hello_korea_readers;
alter default privileges for user hello_korea_transformer in schema :marts
    grant select on tables to group hello_korea_readers;

-- Developers of models read everything, and build in their own schemas.
\set built 'seeds, staging, intermediate, star, frequent, serving, snapshots'
grant create on database :"DBNAME" to group hello_korea_developers;
grant usage on schema :sources to group hello_korea_developers;
grant select on all tables in schema :sources to group hello_korea_developers;
alter default privileges for user hello_korea_loader in schema :sources
    grant select on tables to group hello_korea_developers;
grant usage on schema :built to group hello_korea_developers;
grant select on all tables in schema :built to group hello_korea_developers;
alter default privileges for user hello_korea_transformer in schema :built
    grant select on tables to group hello_korea_developers;
