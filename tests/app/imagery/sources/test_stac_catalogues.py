"""Catalogues, collections and item collections, made with pystac."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.scheduling.stac_selection import EVERYTHING, Conditions, StacSelection
from app.errors import DyadError, Forbidden, InvalidInput
from app.imagery.sources.stac_catalogues import Found, Place, list_stac_items, read_stac_catalogue
from app.imagery.sources.stac_items import StacItem
from tests.support import images
from tests.support.stac import SQUARE, WHEN, item, write_catalogue, write_item_collection


def anywhere(path: Path) -> Path:
    return path.resolve()


def listed(path: Path, allowed: Callable[[Path], Path] = anywhere, conditions: Conditions = EVERYTHING) -> Iterator[Found]:
    catalogue = read_stac_catalogue(path)
    assert catalogue is not None

    def opened(place: Place, body: bytes | None = None, /) -> tuple[Place, Path]:
        assert isinstance(place, Path)
        real = allowed(place)
        return real, real

    return list_stac_items(path, catalogue, opened, conditions=conditions)


def found(path: Path) -> dict[str, StacItem]:
    items = {}
    for name, each in listed(path):
        assert isinstance(each, StacItem), (name, each)
        items[name] = each
    return items


def errors(path: Path) -> dict[str, str]:
    return {name: str(each) for name, each in listed(path) if isinstance(each, DyadError)}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return images.saved(tmp_path / "a.png")


def edited(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


def test_an_item_collection(tmp_path: Path, image: Path) -> None:
    path = write_item_collection(tmp_path / "items.geojson", [item("one", image, labels=["alps"]), item("two", "a.png")])
    items = found(path)
    assert list(items) == ["one", "two"]
    assert items["one"].labels == ("alps",)
    assert (items["one"].geometry, items["one"].datetime) == (SQUARE, WHEN)
    assert [each.assets for each in items.values()] == [[("visual", image)], [("visual", image)]]


def test_a_catalogue_with_collections_in_order(tmp_path: Path, image: Path) -> None:
    path = write_catalogue(tmp_path / "c", {"s2": [item("a", image), item("b", image)], "naip": [item("a", image)]})
    items = found(path)
    assert list(items) == ["s2/a", "s2/b", "naip/a"]
    assert items["naip/a"].collection == "naip"
    assert items["s2/b"].assets == [("visual", image)]


def test_a_collection_alone(tmp_path: Path, image: Path) -> None:
    write_catalogue(tmp_path / "c", {"s2": [item("a", image), item("b", image)]})
    assert list(found(tmp_path / "c" / "s2" / "collection.json")) == ["s2/a", "s2/b"]


def test_an_item_alone_and_an_image_are_no_catalogues(tmp_path: Path, image: Path) -> None:
    write_catalogue(tmp_path / "c", {"s2": [item("a", image)]})
    assert read_stac_catalogue(tmp_path / "c" / "s2" / "a" / "a.json") is None
    assert read_stac_catalogue(image) is None


def test_links_in_a_circle_end(tmp_path: Path, image: Path) -> None:
    path = write_catalogue(tmp_path / "c", {"s2": [item("a", image)]})
    child = tmp_path / "c" / "s2" / "collection.json"
    links = json.loads(child.read_text())["links"]
    edited(child, links=[*links, {"rel": "child", "href": "../catalog.json"}, {"rel": "item", "href": "./a/../a/a.json"}])
    assert list(found(path)) == ["s2/a"]


def test_what_cannot_be_read_is_named_and_ends_nothing(tmp_path: Path, image: Path) -> None:
    path = write_catalogue(tmp_path / "c", {"s2": [item("a", image), item("b", image)], "naip": [item("n", image)]})
    (tmp_path / "c" / "s2" / "a" / "a.json").write_text("{")
    edited(tmp_path / "c" / "s2" / "b" / "b.json", assets={})
    (tmp_path / "c" / "naip" / "collection.json").unlink()
    links = json.loads(path.read_text())["links"]
    far = [
        {"rel": "child", "href": "https://example.com/c.json"},
        {"rel": "item", "href": 5},
        {"rel": "child", "href": "notes"},
    ]
    edited(path, links=[*links, *far])
    (tmp_path / "c" / "notes").write_text('{"type": "Notes"}')
    why = errors(path)
    assert "not a STAC Item" in why["./a/a.json"]
    assert "references no image" in why["./b/b.json"]
    assert "No such file" in why["./naip/collection.json"]
    assert "only local files are read" in why["https://example.com/c.json"]
    assert "no usable href" in why["5"]
    assert "not a valid STAC catalogue" in why["notes"]
    assert len(why) == 6


def test_links_go_only_where_they_may(tmp_path: Path, image: Path) -> None:
    path = write_catalogue(tmp_path / "c", {"s2": [item("a", image)]})

    def allowed(linked: Path) -> Path:
        if linked.name == "a.json":
            raise Forbidden(f"{linked}: not there")
        return linked.resolve()

    ((name, error),) = listed(path, allowed)
    assert name == "./a/a.json"
    assert isinstance(error, Forbidden)


def test_a_wrong_feature_is_named_by_its_number(tmp_path: Path, image: Path) -> None:
    path = write_item_collection(tmp_path / "items.geojson", [item("one", image), item("two", image)])
    document = json.loads(path.read_text())
    del document["features"][1]["properties"]
    edited(path, features=[5, *document["features"]])
    assert list(errors(path)) == ["feature 0", "feature 2"]


@pytest.mark.parametrize("text", ["[]", "5", '{"type": "FeatureCollection"}', '{"type": "Catalog"}', '{"x": "stac_version"}'])
def test_other_json_is_no_catalogue(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    assert read_stac_catalogue(path) is None


@pytest.mark.parametrize("text", ['{"stac_version": ', '{"stac_version": NaN}', '{"stac_version": ' + "[" * 100_000])
def test_broken_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="not a STAC catalogue"):
        read_stac_catalogue(path)


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({"collections": ["naip"]}, ["naip/c"]),
        ({"filter": '"eo:cloud_cover" < 10'}, ["s2/a"]),
        ({"filter": "collection = 's2' AND NOT (id = 'a')"}, ["s2/b"]),
        ({"datetime": "2024-06-01/.."}, []),
        ({"datetime": "2024-05-01T10:00:00Z", "bbox": [10.5, 45.5, 12, 47]}, ["s2/a", "s2/b", "naip/c"]),
        ({"bbox": [12, 45, 13, 46]}, []),
    ],
)
def test_conditions_choose_items(tmp_path: Path, image: Path, selection: dict[str, Any], names: list[str]) -> None:
    clear, cloudy = {"eo:cloud_cover": 3}, {"eo:cloud_cover": 30}
    members = {"s2": [item("a", image, **clear), item("b", image, **cloudy)], "naip": [item("c", image)]}
    path = write_catalogue(tmp_path / "c", members)
    conditions = StacSelection(**selection).conditions
    assert [name for name, _ in listed(path, conditions=conditions)] == names


def test_collections_elsewhere_are_not_read(tmp_path: Path, image: Path) -> None:
    path = write_catalogue(tmp_path / "c", {"s2": [item("a", image)], "naip": [item("c", image)]})
    extent = {"spatial": {"bbox": [[100, 0, 101, 1]]}, "temporal": {"interval": [[None, None]]}}
    edited(tmp_path / "c" / "naip" / "collection.json", extent=extent)
    (tmp_path / "c" / "naip" / "c" / "c.json").unlink()
    conditions = StacSelection(bbox=(9, 40, 12, 47)).conditions
    assert [name for name, _ in listed(path, conditions=conditions)] == ["s2/a"]
