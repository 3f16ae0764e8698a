-- The roles of the website's database, each with what it needs and nothing more. As the database's
-- owner, on a new database as on a running one, as often as you like:
--     psql "$ADMIN_URL" -f docs/access/rds.sql
-- It sets no password: give one to each role that logs in, with psql's \password <role>.
\set ON_ERROR_STOP on
set client_min_messages = warning;

select 'create role hello_korea_exporter login'
where not exists (select from pg_roles where rolname = 'hello_korea_exporter') \gexec
select 'create role hello_korea_web login'
where not exists (select from pg_roles where rolname = 'hello_korea_web') \gexec
select 'create role hello_korea_bi nologin'
where not exists (select from pg_roles where rolname = 'hello_korea_bi') \gexec

begin;

-- Nobody comes in who is not named here.
revoke all on database :"DBNAME" from public;
revoke create on schema public from public;

-- The exporter: RDS__URL names it. It makes the tables, and so owns them and may alter them; it
-- needs temporary tables for what has changed.
grant connect, temporary on database :"DBNAME" to hello_korea_exporter;
grant usage, create on schema public to hello_korea_exporter;

-- The website. The export grants it select on each table that it makes, and on nothing else.
grant connect on database :"DBNAME" to hello_korea_web;
grant usage on schema public to hello_korea_web;
alter role hello_korea_web set default_transaction_read_only = on;
alter role hello_korea_web set statement_timeout = '10s';
alter role hello_korea_web set idle_in_transaction_session_timeout = '60s';

-- Who looks at the data: grant hello_korea_bi to a person's own role. It reads export_log too.
grant connect on database :"DBNAME" to hello_korea_bi;
grant usage on schema public to hello_korea_bi;
grant hello_korea_exporter to current_user;
alter default privileges for role hello_korea_exporter in schema public
    grant select on tables to hello_korea_bi;
select format('grant select on %s to hello_korea_bi', oid::regclass)
from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'r'
    and relowner = 'hello_korea_exporter'::regrole \gexec

commit;
