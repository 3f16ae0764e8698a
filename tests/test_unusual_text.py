"""Unusual text on its way from an API to the website's database."""

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from support.newcomer import Newcomer
from support.pipelines import bodies, lake, run, table_results
from support.responses import exchange_rates
from support.small_project import new_database

from loaders.cli import commands
from loaders.sample_api import SampleApi

TEXTS = {
    "XAA": "'; drop table exchange_rates; --",
    "XAB": "\"); delete from staging_exim.exchange_rates; select ('",
    "XAC": "$$ %s %(name)s {0} {{ ref('x') }} :name ?",
    "XAD": "<script>alert('원')</script> &lt;b&gt; &amp;amp;",
    "XAE": "\\N \\. \\\\ \\x00 \\u0000",
    "XAF": "NULL",
    "XAG": "a,b;\"c\"'d'|e",
    "XAH": "line\nfeed\r\ntab\tend",
    "XAI": "\x01\x07\x08\x1b[31m\x85\x7f",
    "XAJ": "👨‍👩‍👧 🇰🇷 💥",
    "XAK": "𠮷野家 𝄞",
    "XAL": "\ufeffbom \u202eover\u202c \u200bnothing e\u0301",
    "XAM": "한글 조합: ᄒ\u1161\u11ab",
}


@pytest.mark.long
def test_unusual_text_reaches_the_website_unchanged_and_a_nul_is_rejected(
    api: SampleApi,
    home: Path,
    profiles: Path,
    database: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    website = new_database(database, "unusual_text")
    response = exchange_rates(
        *({"cur_unit": code, "cur_nm": name} for code, name in TEXTS.items()),
        {"cur_unit": "XZZ", "cur_nm": "a\0b"},
    )
    api.fail("*", body=response)
    assert run("exim") == (0, "")
    assert [lake().read(key) for key in bodies("exim")] == [response]
    assert table_results(home)["exim.exchange_rates"]["rejected"] == 1
    capsys.readouterr()
    commands.rejected("exim", None, None)
    assert "currency_name: cur_nm has a NUL, in raw/exim/" in capsys.readouterr().out
    selection = ("--select", "+rds_exchange_rates", "--indirect-selection", "cautious")
    Newcomer(home, profiles, RDS__URL=website).check_output("dbt", "build", *selection)
    with closing(psycopg2.connect(website)) as connection, connection.cursor() as cursor:
        cursor.execute("select currency_code, name_ko from exchange_rates where is_newest")
        names = dict(cursor.fetchall())
    assert {code: names.get(code) for code in TEXTS} == TEXTS
    assert "XZZ" not in names
