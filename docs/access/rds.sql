-- Roles of the website's database, with the least privileges each. Run as the database's owner, on a
-- new or an existing database. It can be run again at any time:
--     psql "$ADMIN_URL" -f docs/access/rds.sql
-- It sets no passwords: set one for each role that logs in, with psql's \password <role>.
\set ON_ERROR_STOP on
set client_min_messages = warning;

select 'create role hello_korea_exporter login'
where not exists (select from pg_roles where rolname = 'hello_korea_exporter') \gexec
select 'create role hello_korea_web login'
where not exists (select from pg_roles where rolname = 'hello_korea_web') \gexec
select 'create role hello_korea_bi nologin'
where not exists (select from pg_roles where rolname = 'hello_korea_bi') \gexec

begin;

-- Only the roles below may connect.
revoke all on database :"DBNAME" from public;
revoke create on schema public from public;

-- The exporter is the user of RDS__URL. It creates, owns and alters the tables, and uses temporary
-- tables for the upsert.
grant connect, temporary on database :"DBNAME" to hello_korea_exporter;
grant usage, create on schema public to hello_korea_exporter;

-- The website. The export grants it select on each exported table, and on nothing else.
grant connect on database :"DBNAME" to hello_korea_web;
grant usage on schema public to hello_korea_web;
alter role hello_korea_web set default_transaction_read_only = on;
alter role hello_korea_web set statement_timeout = '10s';
alter role hello_korea_web set idle_in_transaction_session_timeout = '60s';

-- Analysts: grant hello_korea_bi to a personal role. It reads export_log too.
grant connect on database :"DBNAME" to hello_korea_bi;
grant usage on schema public to hello_korea_bi;
grant hello_korea_exporter to current_user;
alter default privileges for role hello_korea_exporter in schema public
    grant select on tables to hello_korea_bi;
select format('grant select on %s to hello_korea_bi', oid::regclass)
from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'r'
    and relowner = 'hello_korea_exporter'::regrole \gexec

-- Search for parts of words. The export leaves out the indexes that need the extension without it.
select 'create extension if not exists pg_trgm with schema public'
where exists (select from pg_available_extensions where name = 'pg_trgm') \gexec

commit;
