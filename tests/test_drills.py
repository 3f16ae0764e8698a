"""Three drills with real commands: a second user, an analyst, and an operator with old fares."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
from support.newcomer import Newcomer
from support.project import TODAY
from support.small_project import postgres

from loaders.export import embedded_postgres
from loaders.sample_api import SampleApi

pytestmark = pytest.mark.long

CAUTIOUS = ("--indirect-selection", "cautious")
"""Leaves out the tests of models that a new home lacks, since each drill builds a part only."""

QUESTIONS = {
    "In which district is most on in the next month?": """
        select districts.name_en, sum(days.event_count) as event_days
        from frequent.freq_upcoming_events_by_district as days
        inner join star.dim_district as districts on days.district_id = districts.district_id
        group by districts.name_en
        order by event_days desc limit 5""",
    "What kind of venue has the most events?": """
        select venues.venue_kind_en, count(*) as events
        from star.fct_event as events
        inner join star.dim_venue as venues on events.venue_id = venues.venue_id
        where venues.venue_kind_en is not null
        group by venues.venue_kind_en order by events desc""",
    "Which genres are free most often?": """
        select genres.name_en, round(avg(case when events.is_free then 100 else 0 end)) as percent
        from star.fct_event as events
        inner join star.dim_genre as genres on events.genre_id = genres.genre_id
        group by genres.name_en having count(*) >= 10 order by percent desc""",
    "From which city is Seoul cheapest this month?": """
        select airports.city_en, min(fares.cheapest_krw) as cheapest_krw
        from frequent.freq_cheapest_fare as fares
        inner join star.dim_airport as airports on fares.origin_city_code = airports.city_code
        where airports.city_en in ('Tokyo', 'Beijing', 'Osaka')
        group by airports.city_en order by cheapest_krw""",
    "What do visitors of 18 to 24 do on the site?": """
        select channels.name_en, sum(usage.click_count) as clicks
        from frequent.freq_usage as usage
        inner join star.dim_channel as channels on usage.channel_code = channels.channel_code
        where usage.age_group = '18-24'
        group by channels.name_en order by clicks desc""",
    "Which countries spend the most?": """
        select country_code, sum(amount_krw) as amount_krw
        from frequent.freq_usage
        where amount_krw > 0 group by country_code order by amount_krw desc limit 10""",
    "How long does it take to buy?": """
        select minutes_from, sum(session_count) as sessions
        from frequent.freq_time_to_purchase group by minutes_from order by minutes_from""",
    "Which airport do visitors want most?": """
        select airports.city_en, wanted.search_count
        from frequent.freq_wanted_airport as wanted
        inner join star.dim_airport as airports on wanted.airport_code = airports.airport_code
        order by wanted.search_rank limit 10""",
    "What changed in the catalogue?": "what_changed_in_the_catalogue",
    "What is near City Hall?": "what_is_near",
    "How did the exchange rates move this month?": "exchange_rates_over_time",
    "How old is the data of each source?": "how_old_is_the_data",
}
"""Twelve questions of an analyst, with SQL or the name of an analysis."""


def rows_printed(printed: str) -> list[list[str]]:
    """Return the cells of the table that a command printed, without its head."""
    lines = [line for line in printed.splitlines() if line.strip().startswith(("│", "|"))]
    cells = [[cell.strip() for cell in re.split("[│|]", line)[1:-1]] for line in lines]
    return [row for row in cells[2:] if any(row)]


def test_a_second_user_gets_from_nothing_to_a_page_of_data(
    home: Path, profiles: Path, tmp_path: Path
) -> None:
    (tmp_path / ".lockfile").mkdir()  # of another user: it can't be opened as a file
    second = Newcomer(home, profiles, TMPDIR=str(tmp_path), HELLO_KOREA_TODAY=str(TODAY))
    rates = "select rate_on, krw_per_unit from exchange_rates where currency_code = 'USD'"
    try:
        second.check_output("dlt", "pipeline", "exim", "run")
        second.check_output("dbt", "build", "--select", "+rds_exchange_rates", *CAUTIOUS)
        command = ("python", "-m", "loaders.export.embedded_postgres", "psql", "-c")
        page = second.check_output(*command, rates)
    finally:
        with pytest.MonkeyPatch.context() as settings:
            settings.setenv("TMPDIR", str(tmp_path))
            embedded_postgres.stop()
    assert "(31 rows)" in page


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_analyst_gets_an_answer_without_gaps(built: Newcomer, question: str) -> None:
    answer = QUESTIONS[question]
    if " " in answer:
        printed = built.check_output("python", "-m", "loaders.cli.sql", "-c", answer)
    else:
        printed = built.check_output("dbt", "--quiet", "show", "--select", answer, "--limit", "50")
    rows = rows_printed(printed)
    assert len(rows) >= 2, printed
    assert all(row[0] not in ("", "NULL") for row in rows), printed


def test_the_analyst_sees_web_logs_among_the_ages_and_a_line_of_each_rate(built: Newcomer) -> None:
    ages = built.check_output(
        *("dbt", "--quiet", "show", "--limit", "50"), "--select", "how_old_is_the_data"
    )
    assert sum(row[0] == "web_logs" for row in rows_printed(ages)) == 5
    days = "select count(*), 'days' from star.fct_exchange_rate where currency_code = 'USD'"
    ((count, _),) = rows_printed(built.check_output("python", "-m", "loaders.cli.sql", "-c", days))
    assert int(count) >= 31


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    with postgres(tmp_path / "site") as url:
        yield url


def test_old_fares_are_found_by_one_command_and_mended_by_the_one_that_it_names(
    api: SampleApi, home: Path, profiles: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Newcomer(home, profiles, RDS__URL=site, RUNTIME__REQUEST_MAX_ATTEMPTS="1")
    build = ("dbt", "build", "--select", "+rds_fares", *CAUTIOUS)
    operator.check_output("dlt", "pipeline", "travelpayouts", "run")
    operator.check_output(*build)
    assert newest_fares(site) == f"{TODAY}"

    later = f"{TODAY + timedelta(days=2)}"
    operator.environment |= {"HELLO_KOREA_TODAY": later}
    api.fail("*prices_for_dates", error="bad_token")
    assert operator.run("dlt", "pipeline", "travelpayouts", "run").returncode == 1
    assert newest_fares(site) == f"{TODAY}"

    status = operator.run("dlt", "pipeline", "travelpayouts", "status")
    assert status.returncode == 1
    assert status.stderr.strip() == "late: travelpayouts.fares"
    ((reason, remedy),) = re.findall(
        r"^travelpayouts\.fares: (.+): (dlt pipeline .+)$", status.stdout, re.M
    )
    assert "SOURCES__TRAVELPAYOUTS__SERVICE_KEY" in reason

    api.clear_faults()  # the key is valid again
    operator.check_output(*remedy.split())
    operator.check_output(*build)
    assert operator.run("dlt", "pipeline", "travelpayouts", "status").returncode == 0
    assert newest_fares(site) == later


def newest_fares(site: str) -> str:
    with closing(psycopg2.connect(site)) as connection, connection.cursor() as cursor:
        cursor.execute("select max(seen_on)::text from fares")
        ((newest,),) = cursor.fetchall()
    return str(newest)
