"""Two-stage search over HTTP, with the model that is part of Dyad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.domain.queries.search import TileFilter
from app.imagery.tiling.tiler import read_query
from app.services.catalogue.tile_settings import cut_spec
from tests.support.pictures import striped
from tests.support.service import Service, document

MODEL = "dyad-rgb-128"
COLLECTION = "matched"
WEIGHT = pytest.approx(1.0656481 / 9.0942541)
"""Scale by slope of the card's calibration."""
PERIODS = (5.0, 8.0, 12.0, 20.0)
Archive = dict[str, str]


@pytest.fixture(scope="module")
def archive(service: Service) -> Archive:
    """Ids by file name: stripes of four widths, in two directions, thrice. Those of a width overlap by half."""
    service.create(COLLECTION, model=MODEL)
    files, metadata = {}, {}
    for number, period in enumerate(PERIODS):
        for angle in (0, 60):
            for seed in range(3):
                name = f"p{period:g}-{angle}-{seed}.png"
                files[name] = striped(angle, period, seed=seed)
                place = [number * 10 + seed * 0.5, angle, number * 10 + seed * 0.5 + 1, angle + 1]
                metadata[name] = {"bbox": place, "labels": [f"period-{period:g}"]}
    service.upload(COLLECTION, files, metadata)
    features = document(service.client.get(f"/collections/{COLLECTION}/items", params={"limit": 100}))["features"]
    return {feature["properties"]["file_name"]: feature["id"] for feature in features}


def search(service: Service, image: bytes | None = None, status: int = 200, **query: Any) -> dict[str, Any]:
    address = f"/collections/{COLLECTION}/search"
    if image is None:
        answer = service.client.post(address, json=query)
    else:
        form = {"query": (None, service.client.build_request("POST", "/", json=query).content)}
        answer = service.client.post(address, files={"image": ("query.png", image), **form})
    assert answer.status_code == status, answer.text
    return document(answer)


def column(answer: dict[str, Any], name: str) -> list[Any]:
    return [feature["properties"].get(name) for feature in answer["features"]]


def shortlisted(
    service: Service, positives: list[bytes], negatives: list[bytes], excluded: list[str], examined: int = 8
) -> dict[str, Any]:
    """What the answer must be, step by step: score, similarity and probability by file name."""
    model = service.container.models.load(MODEL)
    spec = cut_spec(service.container.collections.get(COLLECTION), model.card, 10**8)
    matcher = model.card.matcher
    assert matcher is not None
    assert matcher.fusion is not None
    assert matcher.calibration is not None
    wanted, halves = model.examine(np.stack([read_query(each, spec) for each in positives]))
    assert halves is not None
    right = wanted.embedding.mean(axis=0)
    total = right
    if negatives:
        total = 2 * right - model.embed(np.stack([read_query(each, spec) for each in negatives])).embedding.mean(axis=0)
    direction = total / np.linalg.norm(total)
    index = service.container.collections.live(COLLECTION).index
    store = service.container.vectors
    tiles = [tile for tile in store.scroll(index, limit=100, filter=TileFilter()).tiles if tile.id not in excluded]
    kept = store.retrieve_vectors(index, [tile.id for tile in tiles])
    assert kept.pair is not None
    log_odds = np.mean([model.log_odds(half, kept.pair) for half in halves[:examined]], axis=0)
    similarity, cosine = kept.embedding @ direction, kept.embedding @ total
    fit = matcher.calibration
    chance = 1 / (1 + np.exp(-(fit.scale * log_odds + fit.slope * cosine + fit.offset)))
    scores = cosine + fit.scale / fit.slope * log_odds
    return {tile.file_name: row for tile, *row in zip(tiles, scores, similarity, chance, strict=True)}


def check(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    names = column(answer, "file_name")
    assert names == sorted(expected, key=lambda name: -expected[name][0])
    for place, name in enumerate(("score", "similarity", "match_probability")):
        np.testing.assert_allclose(column(answer, name), [expected[each][place] for each in names], atol=1e-3)


def test_an_upload_is_re_ranked_as_the_card_says(service: Service, archive: Archive) -> None:
    picture = striped(0, 12.0, seed=9)
    answer = search(service, picture, limit=100)
    check(answer, shortlisted(service, [picture], [], []))
    assert answer["rerank"] == {"depth": 100, "weight": WEIGHT}
    assert answer["timings_ms"]["rerank"] > 0
    chances = np.array(column(answer, "match_probability"))
    assert np.all(np.diff(chances) <= 0)
    assert answer["matches_end_at"] == np.count_nonzero(chances >= 0.5)
    assert column(answer, "score") == sorted(column(answer, "score"), reverse=True)


def test_an_indexed_tile_asks_with_its_stored_image(service: Service, archive: Archive) -> None:
    name = "p8-60-1.png"
    for _ in range(2):  # the second time the half is remembered
        answer = search(service, positives=[archive[name]], limit=100)
        check(answer, shortlisted(service, [striped(60, 8.0, seed=1)], [], [archive[name]]))


def test_several_examples_are_averaged_and_negatives_move_the_direction_only(service: Service, archive: Archive) -> None:
    right, wrong, picture = "p5-0-0.png", "p20-0-0.png", striped(0, 8.0, seed=7)
    named = [archive[right], archive[wrong]]
    answer = search(service, picture, positives=named[:1], negatives=named[1:], limit=100)
    pictures = [picture, striped(0, 5.0, seed=0)]
    check(answer, shortlisted(service, pictures, [striped(0, 20.0, seed=0)], named))
    answer = search(service, picture, positives=named[:1], limit=100)
    check(answer, shortlisted(service, pictures, [], named[:1]))


def test_the_matcher_compares_with_the_first_examples_only(service: Service, archive: Archive) -> None:
    named = [(angle, period, seed) for period in (5.0, 8.0) for angle in (0, 60) for seed in range(3)]
    positives = [archive[f"p{period:g}-{angle}-{seed}.png"] for angle, period, seed in named]
    answer = search(service, positives=positives, limit=100)
    check(answer, shortlisted(service, [striped(*each) for each in named], [], positives))
    assert len(answer["features"]) == 12


def test_without_re_ranking_everything_is_as_before(service: Service, archive: Archive) -> None:
    positives = [archive["p12-0-0.png"]]
    plain = search(service, positives=positives, rerank=False, limit=100)
    assert plain["rerank"] is None
    assert "matches_end_at" not in plain
    assert plain["timings_ms"]["rerank"] < plain["timings_ms"]["total"]
    assert column(plain, "score") == column(plain, "similarity")
    assert column(plain, "match_probability") == [None] * 23
    shallow = search(service, positives=positives, rerank={"depth": 5}, limit=100)
    assert shallow["rerank"] == {"depth": 5, "weight": WEIGHT}
    assert set(column(shallow, "file_name")[:5]) == set(column(plain, "file_name")[:5])
    assert column(shallow, "file_name")[5:] == column(plain, "file_name")[5:]
    assert [chance is None for chance in column(shallow, "match_probability")] == [False] * 5 + [True] * 18
    assert column(shallow, "score") == sorted(column(shallow, "score"), reverse=True)


def test_a_budget_picks_the_depth_and_says_which(service: Service, archive: Archive) -> None:
    positives = [archive["p12-0-0.png"]]
    small = search(service, positives=positives, rerank={"budget_ms": 0.01})
    large = search(service, positives=positives, rerank={"budget_ms": 60_000})
    assert small["rerank"] == {"depth": 10, "weight": WEIGHT, "budget_ms": 0.01}
    assert large["rerank"] == {"depth": 1000, "weight": WEIGHT, "budget_ms": 60_000}


@pytest.mark.parametrize("more", [{}, {"rerank": {"depth": 7}}, {"diversify": True}, {"rerank": False, "diversify": True}])
def test_pages_join_to_the_whole_in_both_forms(service: Service, archive: Archive, more: dict[str, Any]) -> None:
    item = archive["p5-60-2.png"]
    whole = search(service, positives=[item], limit=100, **more)
    body: dict[str, Any] | None = {"positives": [item], "limit": 4, **more}
    posted = []
    while body is not None:
        page = search(service, **body)
        posted += page["features"]
        body = next((link["body"] for link in page["links"] if link["rel"] == "next"), None)
    depth = more.get("rerank")
    rerank = {} if depth is None else {"rerank": "false" if depth is False else depth["depth"]}
    parameters = {"item": item, "limit": 4, **rerank, **({"diversify": "true"} if "diversify" in more else {})}
    page = document(service.client.get(f"/collections/{COLLECTION}/search", params=parameters))
    got = page["features"]
    while following := [link["href"] for link in page["links"] if link["rel"] == "next"]:
        page = document(service.client.get(following[0]))
        got += page["features"]
    assert [each["properties"] for each in posted] == [each["properties"] for each in whole["features"]]
    assert [each["properties"] for each in got] == [each["properties"] for each in whole["features"]]
    assert [each.get("near_copies") for each in posted] == [each.get("near_copies") for each in whole["features"]]


def test_a_least_probability_cuts(service: Service, archive: Archive) -> None:
    item = archive["p12-60-0.png"]
    whole = search(service, positives=[item], limit=100)
    least = sorted(column(whole, "match_probability"))[-4] - 1e-6
    cut = search(service, positives=[item], min_probability=least, limit=2)
    places = zip(column(whole, "file_name"), column(whole, "match_probability"), strict=True)
    names = [name for name, chance in places if chance >= least]
    assert column(cut, "file_name") == names[:2]
    assert cut["number_matched"] == len(names)
    got = document(
        service.client.get(f"/collections/{COLLECTION}/search", params={"item": item, "min_probability": least, "limit": 100})
    )
    assert column(got, "file_name") == names


def test_near_copies_are_folded(service: Service, archive: Archive) -> None:
    item = archive["p12-0-0.png"]
    whole = search(service, positives=[item], limit=100)
    answer = search(service, positives=[item], limit=100, diversify=True)
    shown = [feature["id"] for feature in answer["features"]]
    copies = [copy for feature in answer["features"] for copy in feature.get("near_copies", [])]
    assert sorted([*shown, *copies]) == sorted(feature["id"] for feature in whole["features"])
    # Of three windows in a row the outer ones only touch: one or two are shown; the query itself is none of the results.
    assert 8 <= len(shown) <= 16
    assert column(answer, "rank") == list(range(1, len(shown) + 1))
    assert answer["matches_end_at"] <= len(shown)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"rerank": False, "min_probability": 0.5}, 400, "rerank: false"),
        ({"rerank": {"depth": 0}}, 422, "depth"),
        ({"rerank": {"depth": 1001}}, 422, "depth"),
        ({"rerank": {"budget_ms": 0}}, 422, "budget_ms"),
        ({"rerank": {"depth": 10, "budget_ms": 5}}, 422, "budget_ms"),
        ({"rerank": "yes please"}, 422, "rerank"),
        ({"index_version": "dyad-rgb-128.7"}, 404, "no index version 'dyad-rgb-128.7'"),
        ({"token": "eyJzZWVuIjotMSwidmVyc2lvbiI6IngifQ"}, 400, "token"),
        ({"token": "WzEsMl0"}, 400, "token"),
    ],
)
def test_contradictions_are_refused(service: Service, archive: Archive, body: dict[str, Any], status: int, word: str) -> None:
    answer = search(service, status=status, positives=[archive["p5-0-0.png"]], **body)
    assert word in answer["detail"]


def test_the_get_form_refuses_what_it_cannot_read(service: Service, archive: Archive) -> None:
    for value in ("maybe", "0", "1001", "-3", "9" * 30):
        parameters = {"item": archive["p5-0-0.png"], "rerank": value}
        answer = service.client.get(f"/collections/{COLLECTION}/search", params=parameters)
        assert answer.status_code == 400
        assert "rerank" in answer.json()["detail"]


def test_models_without_a_matcher_answer_and_say_so(service: Service, archive: Archive) -> None:
    service.create("unmatched", model="hog")
    service.upload("unmatched", {"a.png": striped(0), "b.png": striped(9)})
    item = document(service.client.get("/collections/unmatched/items"))["features"][0]["id"]
    for rerank in (True, False, None):
        answer = service.client.post("/collections/unmatched/search", json={"positives": [item], "rerank": rerank})
        assert (answer.status_code, answer.json()["rerank"]) == (200, None)
    for wish in ({"depth": 10}, {"budget_ms": 10}):
        answer = service.client.post("/collections/unmatched/search", json={"positives": [item], "rerank": wish})
        assert answer.status_code == 400
        assert "no matcher" in answer.json()["detail"]


def test_the_setting_of_a_collection_is_its_default(service: Service, archive: Archive) -> None:
    item = archive["p5-0-0.png"]
    address = f"/collections/{COLLECTION}"
    try:
        assert service.client.patch(address, json={"rerank": False}).status_code == 200
        assert search(service, positives=[item])["rerank"] is None
        assert search(service, positives=[item], rerank=True)["rerank"] is not None
        assert "add `rerank: true`" in search(service, status=400, positives=[item], min_probability=0.5)["detail"]
    finally:
        assert service.client.patch(address, json={"rerank": None}).status_code == 200
    assert search(service, positives=[item])["rerank"] is not None


def test_an_example_whose_image_is_gone_still_answers_but_not_when_re_ranking_was_asked_for(
    service: Service, archive: Archive
) -> None:
    service.create("lost", model=MODEL)
    service.upload("lost", {"a.png": striped(0), "b.png": striped(9)})
    item = document(service.client.get("/collections/lost/items"))["features"][0]["id"]
    blobs = service.container.blobs
    blobs.delete([key for key in blobs.keys("collections/lost/") if item in key])
    answer = service.client.post("/collections/lost/search", json={"positives": [item]})
    assert (answer.status_code, answer.json()["rerank"]) == (200, None), answer.text
    assert service.client.post("/collections/lost/search", json={"positives": [item], "rerank": True}).status_code == 404


def test_searches_are_remembered_for_the_gate_once_each(service: Service, archive: Archive) -> None:
    item, picture = archive["p5-60-0.png"], striped(33, 9.0, seed=3)
    recent = service.container.recent
    search(service, picture, negatives=[item], limit=2)
    body: dict[str, Any] = search(service, positives=[item], limit=2)["links"][-1]["body"]
    before = len(recent.of(COLLECTION))
    search(service, **body)  # another page of the same search
    latest, earlier, *_ = recent.of(COLLECTION)
    assert len(recent.of(COLLECTION)) == before
    assert (latest.positives, latest.negatives, latest.pixels) == ((item,), (), None)
    assert (earlier.positives, earlier.negatives) == ((), (item,))
    assert earlier.pixels is not None
    assert earlier.pixels.shape == (128, 128, 3)
