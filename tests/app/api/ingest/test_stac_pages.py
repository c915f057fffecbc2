"""STAC APIs as sources whose pages are requested by POST: real servers, which get what the links ask for and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import stac
from tests.support.pictures import striped
from tests.support.scheduled import Scheduled, counts
from tests.support.service import Service, running_service
from tests.support.stac import StacApi, stac_api
from tests.support.web import web_server

NAMES = ("a", "b", "c")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def api() -> Iterator[StacApi]:
    items = [stac.item(name, f"{name}.png").to_dict(include_self_link=False) | {"collection": "s2"} for name in NAMES]
    pictures = {f"{name}.png": striped(25 * number, size=64) for number, name in enumerate(NAMES)}
    with stac_api(StacApi(items, pictures)) as running:
        yield running


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, api: StacApi) -> Iterator[Service]:
    """A service that may read from the API."""
    with running_service(tmp_path_factory.mktemp("home"), read_roots=f"{api.url}/data/", max_upload_mb=1) as running:
        yield running


@pytest.fixture
def scheduled(reading: Service, api: StacApi) -> Scheduled:
    """A collection; the API is as at the beginning."""
    api.merges, api.offers_get, api.last_link = True, False, None
    api.bodies.clear()
    name = f"pages-{next(_numbers)}"
    reading.create(name, model="hog", tile_size=64)
    return Scheduled(reading, name)


def index(reading: Service, api: StacApi, scheduled: Scheduled) -> dict[str, Any]:
    body = {"href": f"{api.url}/data/api", "collections": ["s2"], "bbox": [9, 44, 12, 47]}
    answer = reading.client.post(f"{scheduled.path}/items", json=body)
    assert answer.status_code == 201, answer.text
    return reading.results(answer)


@pytest.mark.parametrize("merges", [True, False])
def test_all_pages_are_indexed(reading: Service, api: StacApi, scheduled: Scheduled, merges: bool) -> None:
    api.merges = merges
    results = index(reading, api, scheduled)
    assert (results["indexed"], results["rejected"]) == (3, [])
    first = {"limit": 100, "collections": ["s2"], "bbox": [9, 44, 12, 47]}
    assert api.bodies == [first, {**first, "token": 1}, {**first, "token": 2}]


@pytest.mark.parametrize("merges", [True, False])
def test_a_first_page_by_get_continues_by_post(reading: Service, api: StacApi, scheduled: Scheduled, merges: bool) -> None:
    api.merges, api.offers_get = merges, True
    assert index(reading, api, scheduled)["indexed"] == 3
    assert [body["token"] for body in api.bodies] == [1, 2]
    assert all(body["collections"] == ["s2"] for body in api.bodies)


def test_pages_in_a_circle_end_with_an_error_and_remove_nothing(api: StacApi, scheduled: Scheduled) -> None:
    scheduled.set({"stac": f"{api.url}/data/api", "collections": ["s2"]}, on_vanished="remove")
    assert scheduled.run()["indexed"] == 3
    api.last_link = {"body": {"token": 1}}
    result = scheduled.run()
    assert counts(result, "unchanged", "removed") == (3, 0)
    assert "leads to a page that was read before" in result["rejected"][0]["reason"]


def test_pages_lead_nowhere_else(reading: Service, api: StacApi, scheduled: Scheduled) -> None:
    with web_server({}) as elsewhere:
        for link, words in (
            ({"href": f"{elsewhere.url}/data/search"}, "DYAD_READ_ROOTS"),
            ({"href": "../other/search"}, "DYAD_READ_ROOTS"),
            ({"method": "PUT"}, "requires the method PUT"),
            ({"body": None}, "requires the method POST"),
        ):
            api.last_link = link
            results = index(reading, api, scheduled)
            assert results["indexed"] + results["unchanged"] == 3
            assert [words in each["reason"] for each in results["rejected"]] == [True]
        assert not elsewhere.asked
