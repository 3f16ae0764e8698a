"""Lists over several pages, and pages that are not as the list requires."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pipelines import bodies, query, run, table_results
from support.stub_api import Parameters, ids_of_page, point_tour_at, serve, stays

from loaders.sample_api import SampleApi

pytestmark = pytest.mark.usefixtures("staging_tables")


@pytest.mark.slow
def test_an_empty_page_in_the_middle_of_a_list_is_an_error(
    api: SampleApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.sources.tour.PAGE_SIZE", 100)
    api.fail("KorService2/areaBasedList2", error="no_data", after=1)
    assert run("tour", table="places")[0] == 1
    (error,) = table_results(home)["tour.places"]["errors"]
    assert "a page without the rows that it should have" in error
    assert query(home, "select count(*) from staging_tour.places") == [(0,)]
    api.clear_faults()
    assert run("tour", table="places") == (0, "")
    assert query(home, "select count(*) from staging_tour.places where language = 'ko'")[0][0] > 400


def test_a_repeated_page_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: iter([stays(range(1000), 2500)])) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays")[0] == 1
    (error,) = table_results(home)["tour.stays"]["errors"]
    assert "the rows of the previous page, repeated" in error
    assert len(bodies("tour/stays")) == 1


def test_an_endless_list_stops_at_the_page_limit(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSWERS__MAX_PAGES", "7")
    with serve(lambda parameters: iter([stays(ids_of_page(parameters), 10**9)])) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays")[0] == 1
    (error,) = table_results(home)["tour.stays"]["errors"]
    assert "more than 7 pages: see ANSWERS__MAX_PAGES" in error
    assert len(bodies("tour/stays")) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first_total", "later_total", "row_count"), [(1500, 2500, 2500), (2500, 1500, 1500)]
)
def test_a_total_that_changes_during_the_extraction_is_noted(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    first_total: int,
    later_total: int,
    row_count: int,
) -> None:
    def respond(parameters: Parameters) -> Iterator[bytes]:
        total = first_total if parameters["pageNo"] == "1" else later_total
        ids = ids_of_page(parameters)
        yield stays(range(ids.start, min(ids.stop, total)), total)

    with serve(respond) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays") == (0, "")
    (note,) = (note for note in table_results(home)["tour.stays"]["notes"] if "total" in note)
    assert f"the total went from {first_total:,} to {later_total:,} during the" in note
    assert query(home, "select count(*) from staging_tour.stays") == [(row_count,)]


def test_a_list_with_fewer_rows_than_its_total_is_not_complete(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(lambda _: iter([stays(range(10), 141)])) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays")[0] == 1
        (error,) = table_results(home)["tour.stays"]["errors"]
        assert "10 rows of a list of 141: its pages are kept, and --refresh asks for" in error
        assert len(bodies("tour/stays")) == 1
        assert query(home, "select count(*) from staging_tour.stays") == [(0,)]
        assert run("tour", table="stays")[0] == 1
    with serve(lambda _: iter([stays(range(141), 141)])) as url:
        point_tour_at(url, monkeypatch)
        assert run("tour", table="stays", refresh=True) == (0, "")
    assert query(home, "select count(*) from staging_tour.stays") == [(141,)]
