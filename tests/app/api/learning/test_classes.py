"""Few-shot classes and suggestions, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.pictures import striped
from tests.support.service import Service, document

ANGLES = {"stripes": 0, "slopes": 60, "rare": 120}
EACH = 7


@pytest.fixture(scope="module")
def labelled(service: Service) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """A collection of three kinds of pictures, and the ids of each; half of the first two kinds have labels."""
    name = "fewshot"
    service.create(name)
    files = {
        f"{kind}/{seed}.png": striped(angle + seed / 2, seed=seed, size=64)
        for kind, angle in ANGLES.items()
        for seed in range(EACH)
    }
    service.upload(name, files)
    features = document(service.client.get(f"/collections/{name}/items?limit=100"))["features"]
    ids: dict[str, list[str]] = {kind: [] for kind in ANGLES}
    for feature in sorted(features, key=lambda each: each["properties"]["source"]):
        ids[feature["properties"]["source"].split("/")[0]].append(feature["id"])
    for kind in ("stripes", "slopes"):
        for item in ids[kind][:4]:
            label(service, name, item, kind)
    yield name, ids
    service.client.delete(f"/collections/{name}")


def label(service: Service, name: str, item: str, *labels: str) -> None:
    answer = service.client.patch(f"/collections/{name}/items/{item}", json={"labels": list(labels)})
    assert answer.status_code == 200, answer.text


def classes(service: Service, name: str, item: str) -> dict[str, Any]:
    answer = service.client.get(f"/collections/{name}/items/{item}/classes")
    assert answer.status_code == 200, answer.text
    return document(answer)


def suggestions(service: Service, name: str, limit: int = 10) -> list[dict[str, Any]]:
    answer = service.client.get(f"/collections/{name}/suggestions", params={"limit": limit})
    assert answer.status_code == 200, answer.text
    features: list[dict[str, Any]] = document(answer)["features"]
    return features


def test_a_tile_has_a_likely_class_or_none(service: Service, labelled: tuple[str, dict[str, list[str]]]) -> None:
    name, ids = labelled
    for kind in ("stripes", "slopes"):
        found = classes(service, name, ids[kind][-1])
        assert [found["classes"][0][key] for key in ("label", "examples")] == [kind, 4]
        assert sum(each["probability"] for each in found["classes"]) + found["none_of_these"] == pytest.approx(1, abs=1e-5)
    rare = classes(service, name, ids["rare"][0])
    assert rare["none_of_these"] > classes(service, name, ids["stripes"][-1])["none_of_these"]
    assert rare["quality"]["queries"] == 8
    assert rare["quality"]["auroc"] > 0.5
    assert (rare["model"], rare["item_id"]) == ("dyad-rgb", ids["rare"][0])


def test_a_new_label_counts_at_once(service: Service, labelled: tuple[str, dict[str, list[str]]]) -> None:
    name, ids = labelled
    before = classes(service, name, ids["rare"][0])
    assert "rare" not in {each["label"] for each in before["classes"]}
    for item in ids["rare"][1:4]:
        label(service, name, item, "rare")
    after = classes(service, name, ids["rare"][0])
    assert after["classes"][0]["label"] == "rare"
    for item in ids["rare"][1:4]:
        label(service, name, item)


def test_suggestions_are_unlabelled_tiles_and_those_of_no_known_class_come_first(
    service: Service, labelled: tuple[str, dict[str, list[str]]]
) -> None:
    name, ids = labelled
    found = suggestions(service, name, 100)
    unlabelled = {*ids["stripes"][4:], *ids["slopes"][4:], *ids["rare"]}
    assert {feature["id"] for feature in found} == unlabelled
    assert [feature["properties"]["rank"] for feature in found] == list(range(1, len(found) + 1))
    assert found[0]["properties"]["score"] == 1
    assert found[0]["id"] in ids["rare"]
    assert {"thumbnail", "self"} <= {link["rel"] for link in found[0]["links"]}
    assert found[0]["properties"]["likely_label"] in ("stripes", "slopes")
    few = suggestions(service, name, 2)
    assert [feature["id"] for feature in few] == [feature["id"] for feature in found[:2]]


def test_without_labels_suggestions_are_different_tiles_and_classes_are_none(
    service: Service, fresh: Callable[..., str]
) -> None:
    name = fresh()
    service.upload(
        name, {f"{kind}{seed}.png": striped(angle, seed=seed, size=64) for kind, angle in ANGLES.items() for seed in (1, 2)}
    )
    found = suggestions(service, name, 3)
    assert {feature["properties"]["file_name"][:-5] for feature in found} == set(ANGLES)
    assert "likely_label" not in found[0]["properties"]
    nothing = classes(service, name, found[0]["id"])
    assert (nothing["classes"], nothing["none_of_these"], nothing["quality"]) == ([], 1, None)
    assert "label" in nothing["notes"][0]


def test_an_empty_collection_and_unknown_ids(service: Service, fresh: Callable[..., str]) -> None:
    name = fresh()
    assert suggestions(service, name) == []
    unknown = "00000000-0000-0000-0000-000000000000"
    for path in (f"{name}/items/{unknown}/classes", f"{name}/items/nothing/classes", "nowhere/suggestions"):
        answer = service.client.get(f"/collections/{path}")
        assert answer.status_code == 404, answer.text
    for query in ("limit=0", "unknown=1"):
        assert service.client.get(f"/collections/{name}/suggestions?{query}").status_code in (400, 422)
