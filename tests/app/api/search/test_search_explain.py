"""`explain` over HTTP, with a model whose matcher shows where tiles match."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import MAP_SIDE, tail_graph, write_matching_bundle
from tests.support.pictures import striped
from tests.support.service import Service, document, running_service

PLACES = MAP_SIDE**2
QUERY = [[(row * MAP_SIDE + column) / PLACES for column in range(MAP_SIDE)] for row in range(MAP_SIDE)]


@pytest.fixture(scope="module")
def explaining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with three models: `places` shows where tiles match, `plain` has another matcher, `hog` none."""
    home = tmp_path_factory.mktemp("explain") / "home"
    write_matching_bundle(home / "models" / "places", tail=tail_graph(places=PLACES))
    write_matching_bundle(home / "models" / "plain")
    with running_service(home) as service:
        for model in ("places", "plain", "hog"):
            service.create(model, model=model)
            service.upload(model, {f"{seed}.png": striped(15 * seed, 9, seed=seed) for seed in range(8)})
        yield service


def first(service: Service, collection: str) -> str:
    found = document(service.client.get(f"/collections/{collection}/items"))["features"]
    return str(found[0]["id"])


def grids(answer: dict[str, Any]) -> list[Any]:
    return [feature.get("match") for feature in answer["features"]]


def test_every_result_of_every_page_shows_where_it_matches(explaining: Service) -> None:
    query: dict[str, str | int] = {"item": first(explaining, "places"), "limit": 3, "explain": True}
    answer = document(explaining.client.get("/collections/places/search", params=query))
    wanted: dict[str, list[Any]] = {
        "query": [[round(value, 2) for value in row] for row in QUERY],
        "candidate": [[pytest.approx(1 - value, abs=0.006) for value in row] for row in QUERY],
    }
    assert grids(answer) == [{"query": [[pytest.approx(v, abs=0.006) for v in row] for row in wanted["query"]],
                              "candidate": wanted["candidate"]}] * 3  # fmt: skip
    assert answer["warnings"] == []
    following = next(each for each in answer["links"] if each["rel"] == "next")
    assert len([each for each in grids(document(explaining.client.get(following["href"]))) if each]) == 3


def test_an_uploaded_image_is_explained_and_other_searches_stay_as_they_are(explaining: Service) -> None:
    address = "/collections/places/search"
    form: dict[str, tuple[str | None, bytes]] = {
        "query": (None, json.dumps({"explain": True, "limit": 2}).encode()),
        "image": ("q.png", striped(40, 9, seed=20)),
    }
    assert all(grids(document(explaining.client.post(address, files=form))))
    plain = document(explaining.client.post(address, json={"positives": [first(explaining, "places")]}))
    assert grids(plain) == [None] * 7


@pytest.mark.parametrize("collection", ["plain", "hog"])
def test_a_model_that_cannot_show_it_gives_a_warning(explaining: Service, collection: str) -> None:
    query = {"positives": [first(explaining, collection)], "explain": True}
    answer = document(explaining.client.post(f"/collections/{collection}/search", json=query))
    assert grids(answer) == [None] * 7
    assert answer["warnings"] == [
        f"explain: model '{collection}' has no matcher that shows where tiles match; use a model with a correlation matcher"
    ]


def test_a_search_that_is_not_re_ranked_gives_a_warning(explaining: Service) -> None:
    query = {"positives": [first(explaining, "places")], "explain": True, "rerank": False}
    answer = document(explaining.client.post("/collections/places/search", json=query))
    assert answer["warnings"] == ["explain: the search is not re-ranked; add `rerank: true`"]
    assert grids(answer) == [None] * 7


def test_the_bundle_of_the_model_needs_both_grids_of_the_right_size(tmp_path: Path) -> None:
    from app.errors import InvalidBundle
    from app.inference.onnx import OnnxInference

    folder = write_matching_bundle(tmp_path / "m", tail=tail_graph(places=PLACES + 1))
    with pytest.raises(InvalidBundle, match=r"'query_places' of tail\.onnx is"):
        OnnxInference(folder, threads=1)
