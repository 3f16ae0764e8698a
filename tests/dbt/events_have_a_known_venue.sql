-- Counts the events that take place at the unknown venue: their details were not fetched, or name a
-- venue that no list has. They are kept and shown; the loader's next runs fetch what is missing. If
-- the count stays, look up the performance's details in raw.
{{ config(severity='warn') }}

select
    event_id,
    source,
    title_ko
from {{ ref('fct_event') }}
where venue_id = 'unknown'
