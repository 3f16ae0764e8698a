-- System views, functions and table attributes that Redshift has and PostgreSQL lacks. The superuser
-- runs this once in the database that is the warehouse.
set allow_system_table_mods = on;

create schema redshift;
grant usage on schema redshift to public;

-- Each table's attributes from its DDL. The proxy moves them out of the SQL into a JSON comment at the
-- statement's end: /*redshift:[{"table": …}]*/.
create table redshift.attributes (table_id oid primary key, attributes jsonb not null);

create function redshift.refuse(message text, code text) returns void language plpgsql as $$
begin
    raise exception using message = message, errcode = code;
end $$;

create function redshift.after_ddl() returns event_trigger
language plpgsql security definer
set search_path = pg_catalog, redshift set standard_conforming_strings = on as $$
declare
    command record;
    created_tables jsonb := nullif(rtrim(split_part(current_query(), '/*redshift:', 2), '*/'), '')::jsonb;
    table_attributes jsonb;
    foreign_key jsonb;
    change text;
begin
    for command in
        select objid, relname
        from pg_event_trigger_ddl_commands() join pg_class on pg_class.oid = objid
        where classid = 'pg_class'::regclass and relkind = 'r'
    loop
        select value into table_attributes from jsonb_array_elements(created_tables) where value ->> 'table' = command.relname;
        if table_attributes is not null and tg_tag <> 'ALTER TABLE' then
            for foreign_key in select * from jsonb_array_elements(table_attributes -> 'foreign_keys') loop
                perform from redshift.attributes
                where table_id = to_regclass(foreign_key ->> 'parent')
                    and (
                        attributes -> 'primary_key' = foreign_key -> 'parent_columns'
                        or attributes -> 'unique_keys' @> jsonb_build_array(foreign_key -> 'parent_columns')
                    );
                if not found then
                    raise exception using errcode = '42830', message = format(
                        'there is no unique constraint matching given keys for referenced table "%s"',
                        foreign_key ->> 'parent'
                    );
                end if;
            end loop;
            -- Redshift does not enforce a primary key, but its columns are not null.
            select string_agg(format('alter column %I set not null', name), ', ') into change
            from jsonb_array_elements_text(table_attributes -> 'primary_key') as name;
            if change is not null then
                execute format('alter table %s %s', command.objid::regclass, change);
            end if;
            insert into redshift.attributes values (command.objid, table_attributes)
            on conflict (table_id) do update set attributes = excluded.attributes;
        end if;
        -- Redshift counts a varchar's length in bytes, PostgreSQL in characters.
        select string_agg(format('drop constraint %I', conname), ', ') into change
        from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[1]
        where conrelid = command.objid and conname like 'redshift bytes %'
            and conname <> format('redshift bytes %s %s', attnum, atttypmod - 4);
        if change is not null then
            execute format('alter table %s %s', command.objid::regclass, change);
        end if;
        select string_agg(
            format(
                'add constraint %I check (octet_length(%I) <= %s)',
                format('redshift bytes %s %s', attnum, atttypmod - 4), attname, atttypmod - 4
            ), ', '
        ) into change
        from pg_attribute
        where attrelid = command.objid and attnum > 0 and not attisdropped
            and atttypid in ('varchar'::regtype, 'bpchar'::regtype) and atttypmod > 4
            and not exists (
                select from pg_constraint
                where conrelid = attrelid and conname = format('redshift bytes %s %s', attnum, atttypmod - 4)
            );
        if change is not null then
            execute format('alter table %s %s', command.objid::regclass, change);
        end if;
    end loop;
end $$;

create event trigger redshift_after_ddl on ddl_command_end
when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
execute function redshift.after_ddl();

create function redshift.after_drop() returns event_trigger
language plpgsql security definer as $$
begin
    delete from redshift.attributes
    where table_id in (select objid from pg_event_trigger_dropped_objects());
end $$;

create event trigger redshift_after_drop on sql_drop execute function redshift.after_drop();

-- Columns with their position in the sort key, and with the encoding that Redshift chooses by default.
create view redshift.columns as
select
    nspname, relname, pg_class.oid as table_id, attname, attnum, attnotnull,
    format_type(atttypid, atttypmod) as type,
    coalesce(attributes ->> 'dist_key' = attname, false) as distkey,
    coalesce(
        (
            select ordinality::integer
            from jsonb_array_elements_text(attributes -> 'sort_key') with ordinality
            where value = attname
        ) * case when attributes ->> 'sort_style' = 'interleaved' then (-1) ^ (attnum % 2)::integer else 1 end,
        0
    )::integer as sortkey,
    coalesce(
        attributes -> 'encodings' ->> attname,
        case
            when attributes -> 'sort_key' ->> 0 = attname then 'none'
            when atttypid in ('bool'::regtype, 'float4'::regtype, 'float8'::regtype) then 'none'
            when atttypid in ('varchar'::regtype, 'bpchar'::regtype) then 'lzo'
            else 'az64'
        end
    ) as encoding
from pg_class
join pg_namespace on pg_namespace.oid = relnamespace
join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
left join redshift.attributes on table_id = pg_class.oid
where relkind = 'r' and nspname not like 'pg\\_%' and nspname not in ('information_schema', 'redshift');

-- As in Redshift, only the tables on the search path.
create view pg_catalog.pg_table_def as
select
    nspname as schemaname, relname as tablename, attname as "column", type, encoding, distkey, sortkey,
    attnotnull as notnull
from redshift.columns
where pg_table_is_visible(table_id);

create function redshift.row_count(table_id oid) returns bigint language plpgsql security definer as $$
declare rows bigint;
begin
    execute format('select count(*) from %s', table_id::regclass) into rows;
    return rows;
end $$;

-- As in Redshift, without empty tables.
create view pg_catalog.svv_table_info as
select
    current_database()::text as database,
    nspname::text as schema,
    table_id,
    relname::text as "table",
    'Y, AUTO(ENCODE)'::text as encoded,
    (
        select case
            when attributes ->> 'dist_style' = 'key' then format('KEY(%s)', attributes ->> 'dist_key')
            when attributes ->> 'dist_style' in ('all', 'even') then upper(attributes ->> 'dist_style')
            else 'AUTO(ALL)'
        end
        from (select) as single_row
        left join redshift.attributes as recorded on recorded.table_id = columns.table_id
    )::text as diststyle,
    max(attname::text) filter (where abs(sortkey) = 1) as sortkey1,
    max(coalesce(substring(type from 'character varying\\((\\d+)\\)')::integer, 0)) as max_varchar,
    max(encoding) filter (where abs(sortkey) = 1) as sortkey1_enc,
    count(*) filter (where sortkey <> 0)::integer as sortkey_num,
    (pg_total_relation_size(table_id) / 1000000)::bigint as size,
    0.0::numeric as pct_used,
    0::bigint as empty,
    null::numeric as unsorted,
    0.0::numeric as stats_off,
    redshift.row_count(table_id)::numeric as tbl_rows,
    null::numeric as skew_sortkey1,
    null::numeric as skew_rows
from redshift.columns
where nspname not like 'pg\\_temp%'
group by nspname, table_id, relname
having redshift.row_count(table_id) > 0;

create view pg_catalog.svv_external_columns as
select
    null::text as schemaname, null::text as tablename, null::text as columnname,
    null::text as external_type, null::integer as columnnum
where false;

create view pg_catalog.svv_redshift_schemas as
select current_database()::text as database_name, nspname::text as schema_name
from pg_namespace;

grant select on pg_catalog.pg_table_def, pg_catalog.svv_table_info, pg_catalog.svv_external_columns,
    pg_catalog.svv_redshift_schemas to public;

create function redshift.pg_get_late_binding_view_cols() returns setof record
language sql stable as $$
    select null::name, null::name, null::name, null::varchar, null::integer where false
$$;

create function pg_catalog.round(value double precision, digits integer) returns double precision
language sql immutable as $$ select round(value::numeric, digits)::double precision $$;

create function redshift.getdate() returns timestamp language sql stable as $$
    select (clock_timestamp() at time zone 'UTC')::timestamp(0)
$$;

create function redshift.dateadd(part text, number bigint, start timestamp) returns timestamp
language sql immutable as $$
    select start + number * case lower(part)
        when 'quarter' then interval '3 months' else ('1 ' || part)::interval
    end
$$;

create function redshift.datediff(part text, first timestamp, last timestamp) returns bigint
language sql immutable as $$
    select case
        when lower(part) in ('year', 'years', 'y') then extract(year from last) - extract(year from first)
        when lower(part) in ('month', 'months', 'mon')
            then 12 * (extract(year from last) - extract(year from first))
                + extract(month from last) - extract(month from first)
        when lower(part) in ('week', 'weeks', 'w')
            then (date_trunc('week', last)::date - date_trunc('week', first)::date) / 7
        when lower(part) in ('day', 'days', 'd') then last::date - first::date
        else extract(epoch from date_trunc(part, last) - date_trunc(part, first))
            / extract(epoch from ('1 ' || part)::interval)
    end::bigint
$$;

create function redshift.convert_timezone(source text, target text, value timestamp) returns timestamp
language sql stable as $$ select value at time zone source at time zone target $$;

create function redshift.convert_timezone(target text, value timestamp) returns timestamp
language sql stable as $$ select value at time zone 'UTC' at time zone target $$;

create function redshift.last_day(day timestamp) returns date
language sql immutable as $$ select (date_trunc('month', day) + interval '1 month - 1 day')::date $$;

create function redshift.len(value text) returns integer
language sql immutable as $$ select length(value) $$;

create function redshift.nvl(variadic list anycompatiblearray) returns anycompatible
language sql immutable as $$ select value from unnest(list) as value where value is not null limit 1 $$;

-- Replaces all matches.
create function redshift.regexp_replace(value text, pattern text, new text) returns text
language sql immutable as $$ select pg_catalog.regexp_replace(value, pattern, new, 'g') $$;

create function redshift.regexp_replace(value text, pattern text) returns text
language sql immutable as $$ select pg_catalog.regexp_replace(value, pattern, '', 'g') $$;

-- Returns an empty text if nothing matches.
create function redshift.regexp_substr(value text, pattern text, start integer = 1, occurrence integer = 1)
returns text language sql immutable as $$
    select case
        when value is not null and pattern is not null
            then coalesce(pg_catalog.regexp_substr(value, pattern, start, occurrence), '')
    end
$$;

-- Returns an empty text for a missing field. A text that is not JSON is an error, unless
-- null_if_invalid. This is not a function in SQL: PostgreSQL would evaluate that beforehand for a
-- constant text.
create function redshift.json_extract_path_text(value text, field text, null_if_invalid boolean = false)
returns text language plpgsql immutable as $$
begin
    if value is null or (null_if_invalid and value is not json) then
        return null;
    end if;
    return coalesce(value::json ->> field, '');
end $$;

create function redshift.json_extract_array_element_text(
    value text, index integer, null_if_invalid boolean = false
) returns text language plpgsql immutable as $$
begin
    if value is null or (null_if_invalid and value is not json array) then
        return null;
    end if;
    return coalesce(value::json ->> index, '');
end $$;

create function redshift.json_array_length(value text, null_if_invalid boolean = false) returns integer
language sql immutable as $$
    select case when value is json array or not null_if_invalid then pg_catalog.json_array_length(value::json) end
$$;

grant execute on all functions in schema redshift to public;
grant select on all tables in schema redshift to public;
