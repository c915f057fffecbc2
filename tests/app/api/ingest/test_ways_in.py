"""What was lost without a word: labels, names, sidecars, metadata and STAC items, by every way in over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from app.imagery.sources.archives import extract
from app.imagery.sources.band_stack import write_stack
from app.services.ingest.incoming.sources import read_manifest, write_manifest
from tests.support import images
from tests.support.pictures import striped
from tests.support.scheduled import Scheduled, write
from tests.support.service import Service, document

ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "one",
    "geometry": {"type": "Polygon", "coordinates": [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]},
    "bbox": [10, 45, 11, 46],
    "properties": {"datetime": "2020-08-31T10:10:31Z", "platform": "sentinel-2a", "gsd": 10},
    "links": [],
}
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
Fresh = Callable[..., str]


def tiles(service: Service, collection: str) -> dict[str, dict[str, Any]]:
    """Properties of all tiles by source name."""
    found = document(service.client.get(f"/collections/{collection}/items?limit=1000"))["features"]
    return {each["properties"]["source"]: {**each["properties"], "geometry": each["geometry"]} for each in found}


def href(service: Service, collection: str, path: Path | str, **more: Any) -> dict[str, Any]:
    return service.results(service.client.post(f"/collections/{collection}/items", json={"href": str(path), **more}))


def send(service: Service, collection: str, files: dict[str, bytes], query: str = "", **fields: str) -> dict[str, Any]:
    parts = [("files", item) for item in files.items()]
    return service.results(service.client.post(f"/collections/{collection}/items{query}", files=parts, data=fields))


def band_files(folder: Path, **sizes: int) -> None:
    """A file of one band for each name; smaller ones show the same place with coarser pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    largest = max(sizes.values())
    for seed, (name, size) in enumerate(sizes.items()):
        pixel = largest / size
        transform = images.NORTH_UP @ rasterio.Affine.scale(pixel)
        values = images.textured(1, size, size, "uint16", seed)
        images.geotiff(folder / f"{name}.tif", values, transform=transform)


def band_item(folder: Path, **bands: tuple[str, str | None]) -> bytes:
    """An item with an asset for each band: its file, and its common name."""
    assets = {
        key: {"href": f"./{file}.tif", "type": COG, "roles": ["data"]}
        | ({"eo:bands": [{"name": file, "common_name": common}]} if common else {})
        for key, (file, common) in bands.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**ITEM, "assets": assets}).encode()
    (folder / "item.json").write_bytes(text)
    return text


S2 = {"red": ("B04", "red"), "green": ("B03", "green"), "blue": ("B02", "blue"), "nir": ("B08", "nir"), "scl": ("SCL", None)}


@pytest.fixture
def sentinel(folder: Path) -> Path:
    """The folder of an item with five files, one of them a class map, one coarser."""
    band_files(folder / "s2", B02=128, B03=128, B04=128, B08=64, SCL=64)
    band_item(folder / "s2", **S2)
    return folder / "s2"


@pytest.mark.parametrize("how", ["field", "query"])
def test_labels_of_uploads_zips_and_single_files(service: Service, fresh: Fresh, tmp_path: Path, how: str) -> None:
    name = fresh(model="hog")
    members = {"train/harbor/a.png": striped(0), "b.png": striped(1), "beach,wide/c.png": striped(2)}
    archive = images.zipped(tmp_path / "classes.zip", members).read_bytes()
    files = {"classes.zip": archive, "river/d.png": striped(3), "e.png": striped(4)}
    options = {"labels_from_folders": "true"} if how == "field" else {}
    metadata = json.dumps({"river/d.png": {"labels": ["wet"]}})
    result = send(service, name, files, "" if how == "field" else "?labels_from_folders=true", metadata=metadata, **options)
    labels = {source: each["labels"] for source, each in tiles(service, name).items()}
    assert labels == {
        "classes.zip/train/harbor/a.png": ["harbor"],
        "classes.zip/b.png": [],
        "classes.zip/beach,wide/c.png": ["beach wide"],
        "river/d.png": ["wet", "river"],
        "e.png": [],
    }
    assert result["notes_count"] == len(result["notes"]) == 1
    assert "1 more have no label" in result["notes"][0]["note"]


def test_a_value_that_is_neither_true_nor_false_is_refused(service: Service, fresh: Fresh) -> None:
    answer = service.client.post(
        f"/collections/{fresh(model='hog')}/items",
        files={"files": ("a.png", striped(0))},
        data={"labels_from_folders": "perhaps"},
    )
    assert (answer.status_code, "true or false" in answer.text) == (422, True)


def test_labels_of_paths_on_the_server(service: Service, fresh: Fresh, folder: Path) -> None:
    write(folder, "harbor/a.png", "beach/b.png")
    images.zipped(folder / "z.zip", {"wood/c.png": striped(5)})
    name = fresh(model="hog")
    href(service, name, folder, labels_from_folders=True)
    href(service, name, folder / "harbor" / "a.png", labels_from_folders=True)
    assert sorted(each["labels"] for each in tiles(service, name).values()) == [["beach"], ["harbor"], ["wood"]]


def test_labels_of_a_schedule_with_a_zip(scheduled: Scheduled, folder: Path) -> None:
    images.zipped(folder / "z.zip", {"wood/c.png": striped(5), "d.png": striped(6)})
    scheduled.set({"path": str(folder), "labels_from_folders": True})
    result = scheduled.run()
    assert {name: each["labels"] for name, each in scheduled.tiles().items()} == {
        "z.zip/wood/c.png": ["wood"],
        "z.zip/d.png": [],
    }
    assert [note["file_name"].rsplit("/", 1)[-1] for note in result["notes"]] == ["d.png"]


def test_names_with_spaces_of_every_kind_are_indexed(service: Service, fresh: Fresh, folder: Path) -> None:
    odd = ["10.32.07\u202fAM.png", "\u6771\u4eac\u3000\u6e2f.png", "a\u00a0b.png", "a\u200bb.png"]
    name = fresh(model="hog")
    archive = images.zipped(folder / "shots.zip", {each: striped(n) for n, each in enumerate(odd)})
    assert service.upload(name, {"shots.zip": archive})["rejected"] == []
    assert service.upload(name, {each: striped(n) for n, each in enumerate(odd)})["rejected"] == []
    write(folder / "odd", *odd)
    assert href(service, name, folder / "odd")["rejected"] == []
    assert len(tiles(service, name)) == 12


def test_unsafe_names_are_refused_with_the_true_reason(service: Service, fresh: Fresh, tmp_path: Path) -> None:
    members = {
        "a\x07b.png": striped(0),
        "../c.png": striped(1),
        "/d.png": striped(2),
        "C:\\e.png": striped(3),
        "f.png": striped(4),
    }
    result = service.upload(fresh(model="hog"), {"z.zip": images.zipped(tmp_path / "z.zip", members)})
    why = {each["file_name"].removeprefix("z.zip/"): each["reason"] for each in result["rejected"]}
    assert result["indexed"] == 1
    for file_name, word in {"a\x07b.png": "U+0007", "../c.png": "`..`", "/d.png": "absolute", "C:\\e.png": "drive C:"}.items():
        assert word in why[file_name]


SIDECARS = (
    "a.TFW",
    "a.tif.aux.xml",
    "a.tif.ovr",
    "a.OVR",
    "a.tif.msk",
    "a.prj",
    "a.wld",
    "Thumbs.db",
    ".DS_Store",
    "__MACOSX/a.tif",
)


def test_sidecars_are_neither_imagery_nor_rejected(service: Service, fresh: Fresh, folder: Path) -> None:
    scene = images.rgb_tif(folder / "scene.tif", 64, 64).read_bytes()
    sidecar = dict.fromkeys(SIDECARS, scene)
    for name, data in {"in/a.tif": scene, **{f"in/{name}": data for name, data in sidecar.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    archive = images.zipped(folder / "z.zip", {"a.tif": scene, **sidecar})
    name = fresh(model="hog", tile_size=64)
    for result in (
        href(service, name, folder / "in"),
        service.upload(name, {"z.zip": archive}),
        service.upload(name, {"a.tif": scene, **sidecar}),
    ):
        assert (result["indexed"], result["rejected_count"], result["notes"]) == (1, 0, [])
    alone = service.upload(name, {"b.tfw": b"1\n0\n0\n-1\n0\n0\n", "c.tif": scene})
    assert [(note["file_name"], "sidecar" in note["note"]) for note in alone["notes"]] == [("b.tfw", True)]


def test_world_files_are_staged_beside_their_images(tmp_path: Path) -> None:
    plain = images.plain_tif(tmp_path / "000000").read_bytes()
    for number, data in enumerate((b"world", b"crs"), 1):
        (tmp_path / f"00000{number}").write_bytes(data)
    files = [("x/Scan.tif", tmp_path / "000000"), ("x/scan.TFW", tmp_path / "000001"), ("x/Scan.prj", tmp_path / "000002")]
    write_manifest(tmp_path / "manifest", files)
    (read,) = read_manifest(tmp_path / "manifest")
    assert [path.name for path in getattr(read, "sidecars", ())] == ["000000.wld", "000000.prj"]
    assert (tmp_path / "000000.wld").read_bytes() == b"world"
    archive = images.zipped(tmp_path / "z.zip", {"x/scan.tif": plain, "x/scan.tfw": b"world", "y/scan.prj": b"other"})
    (tmp_path / "in").mkdir()
    ((_, member),) = extract(archive, "z.zip", tmp_path / "in", 1 << 30)
    assert isinstance(member, Path)
    assert member.with_suffix(".wld").read_bytes() == b"world"
    assert not member.with_suffix(".prj").exists()


def test_metadata_that_matches_no_file_is_listed(service: Service, fresh: Fresh, tmp_path: Path) -> None:
    archive = images.zipped(tmp_path / "z.zip", {"in/b.png": striped(1), "bad.png": b"no image"})
    metadata = {name: {"labels": ["x"]} for name in ("a.png", "in/b.png", "bad.png", "wrong.png", "B.PNG")}
    result = service.upload(fresh(model="hog"), {"a.png": striped(0), "z.zip": archive}, metadata)
    assert result["metadata_unmatched"] == ["wrong.png", "B.PNG"]
    assert service.upload(fresh(model="hog"), {"a.png": striped(0)})["metadata_unmatched"] == []


def test_a_job_that_rejects_every_file_fails_with_its_results(service: Service, fresh: Fresh) -> None:
    name = fresh(model="hog")
    accepted = service.client.post(f"/collections/{name}/items", files=[("files", (f"{n}.png", b"no image")) for n in range(5)])
    job = service.wait(accepted.headers["location"])
    assert (job["status"], job["counts"]["rejected"]) == ("failed", 5)
    assert "every file was rejected (5): 0.png: " in job["message"]
    assert "and 2 more" in job["message"]
    assert any(link["rel"].endswith("/results") for link in job["links"])
    result = document(service.client.get(f"/jobs/{job['id']}/results"))
    assert (result["rejected_count"], result["item_ids"]) == (5, [])
    assert service.upload(name, {"a.png": striped(0), "b.png": b"no image"})["rejected_count"] == 1


def test_files_of_single_bands_are_one_scene(service: Service, fresh: Fresh, sentinel: Path) -> None:
    name = fresh(model="hog", tile_size=64)
    result = href(service, name, sentinel / "item.json")
    assert (result["indexed"], result["rejected"]) == (4, [])
    (tile,) = tiles(service, name).values()
    assert tile["source"].endswith("item.json#bands")
    assert (tile["band_names"], tile["gsd"], tile["platform"]) == (["red", "green", "blue"], 1.0, "sentinel-2a")
    assert "nir" in result["notes"][0]["note"]
    again = href(service, name, sentinel / "item.json")
    assert (again["indexed"], again["unchanged"]) == (0, 4)


@pytest.mark.parametrize(
    ("bands", "names"),
    [(["B08", "B04", "B03"], ["B08", "B04", "B03"]), (["nir", "red", "green"], ["nir", "red", "green"]), ([4, 1, 2], S2)],
)
def test_the_bands_of_the_collection_are_stacked(
    service: Service, fresh: Fresh, sentinel: Path, bands: list[Any], names: Any
) -> None:
    name = fresh(model="hog", tile_size=64, bands=bands)
    assert href(service, name, sentinel / "item.json")["indexed"] == 4
    found = next(iter(tiles(service, name).values()))["band_names"]
    assert found == [each for each in names if each != "scl"]


def test_a_folder_a_zip_and_an_upload_of_an_item_are_its_scene(service: Service, fresh: Fresh, sentinel: Path) -> None:
    files = {path.name: path.read_bytes() for path in sentinel.iterdir()}
    archive = images.zipped(sentinel.parent / "z.zip", {f"in/{name}": data for name, data in files.items()})
    name = fresh(model="hog", tile_size=64)
    for result in (
        href(service, name, sentinel),
        service.upload(name, {"z.zip": archive}),
        service.upload(name, {f"up/{key}": data for key, data in files.items()}),
    ):
        assert (result["indexed"], result["rejected"]) == (4, [])
    assert {source.rsplit("/", 2)[-2] for source in tiles(service, name)} == {"s2", "in", "up"}


def test_bands_that_do_not_fit_are_refused_with_the_way_out(service: Service, fresh: Fresh, folder: Path) -> None:
    band_files(folder, vv=64, vh=64, ok=64)
    band_item(folder, vv=("vv", "vv"), vh=("vh", "vh"))
    write(folder, "other.png")
    result = href(service, fresh(model="hog", tile_size=64), folder)
    (rejected,) = result["rejected"]
    assert "one file for each band (vv, vh)" in rejected["reason"]
    assert "set the collection's `bands`" in rejected["reason"]
    assert href(service, fresh(model="hog", tile_size=64, bands=["vh"] * 3), folder / "item.json")["indexed"] == 1


def test_bands_of_different_places_or_systems_are_refused(service: Service, fresh: Fresh, folder: Path) -> None:
    band_files(folder, B04=64, B03=64, B02=64)
    item = band_item(folder, red=("B04", "red"), green=("B03", "green"), blue=("B02", "blue"))
    far = rasterio.Affine.translation(10_000, 0) @ images.NORTH_UP
    good = striped(0)
    for change, word in (({"crs": "EPSG:32615"}, "gdalwarp"), ({"transform": far}, "another place")):
        images.geotiff(folder / "B03.tif", images.textured(1, 64, 64, "uint16"), **change)
        files = {path.name: path.read_bytes() for path in folder.glob("*.tif")}
        result = service.upload(fresh(model="hog", tile_size=64), {"item.json": item, "good.png": good, **files})
        assert (result["indexed"], word in result["rejected"][0]["reason"]) == (1, True)
    del files["B03.tif"]
    result = service.upload(fresh(model="hog", tile_size=64), {"item.json": item, "good.png": good, **files})
    assert "B03.tif, to which the STAC document refers, was not sent" in result["rejected"][0]["reason"]


def test_hrefs_types_and_collections_of_items_are_read(service: Service, fresh: Fresh, folder: Path) -> None:
    images.rgb_tif(folder / "my scene.tif", 64, 64)
    assets: dict[str, dict[str, Any]] = {
        "media": {"href": "./my scene.tif", "roles": ["data"], "type": "application/geotiff"},
        "plain": {"href": "./my scene.tif"},
        "encoded": {"href": "my%20scene.tif", "type": "application/octet-stream"},
    }
    items = {key: {**ITEM, "id": key, "assets": {"visual": asset}} for key, asset in assets.items()}
    for key, item in items.items():
        (folder / f"{key}.json").write_text(json.dumps(item))
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": list(items.values())}))
    (folder / "items.ndjson").write_text("\n".join(map(json.dumps, items.values())))
    name = fresh(model="hog", tile_size=64)
    for file_name, count in (("media.json", 1), ("plain.json", 1), ("encoded.json", 1), ("items.json", 3), ("items.ndjson", 3)):
        result = href(service, name, folder / file_name)
        assert (result["indexed"], result["rejected"]) == (count, []), file_name
    files = {"items.json": (folder / "items.json").read_bytes(), "my scene.tif": (folder / "my scene.tif").read_bytes()}
    assert service.upload(fresh(model="hog", tile_size=64), files)["indexed"] == 3


def test_what_an_item_does_not_offer_is_named(service: Service, fresh: Fresh, folder: Path) -> None:
    assets = {
        "scl": {"href": "SCL.tif", "type": COG, "roles": ["data"]},
        "mtd": {"href": "m.xml", "type": "application/xml", "roles": ["metadata"]},
        "classes": {"href": "c.tif", "type": COG, "roles": ["data"], "classification:classes": [{"value": 1, "name": "x"}]},
        "t": {"href": "t.jpg", "type": "image/jpeg", "roles": ["thumbnail"]},
    }
    text = json.dumps({**ITEM, "assets": assets}).encode()
    result = service.upload(fresh(model="hog"), {"item.json": text, "a.png": striped(0)})
    (rejected,) = result["rejected"]
    for word in (
        "'scl': it is a mask or class map",
        "'mtd': it has the role metadata",
        "'classes': it is a mask",
        "'t': it has",
    ):
        assert word in rejected["reason"]


def test_the_metadata_of_an_item_and_of_its_upload_are_merged(service: Service, fresh: Fresh) -> None:
    properties = {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-02-01T00:00:00Z"}
    item = {
        **ITEM, "properties": {**ITEM["properties"], **properties},
        "assets": {"visual": {"href": "a.png", "type": "image/png", "roles": ["visual"]}},
    }  # fmt: skip
    name = fresh(model="hog")
    metadata = {"item.json": {"labels": ["mine"], "properties": {"sensor": "X"}}}
    result = service.upload(name, {"item.json": json.dumps(item).encode(), "a.png": striped(0)}, metadata)
    assert (result["indexed"], result["metadata_unmatched"]) == (1, [])
    tile = tiles(service, name)["item.json#visual"]
    assert (tile["labels"], tile["sensor"], tile["platform"], tile["gsd"]) == (["mine"], "X", "sentinel-2a", 10.0)
    assert (tile["datetime"], tile["end_datetime"]) == ("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z")
    assert tile["geometry"] == ITEM["geometry"]


def test_a_schedule_stacks_the_items_of_a_catalogue_and_of_a_folder(scheduled: Scheduled, sentinel: Path) -> None:
    (sentinel.parent / "items.json").write_text(
        json.dumps(
            {"type": "FeatureCollection", "features": [json.loads((sentinel / "item.json").read_text().replace("./", "s2/"))]}
        )
    )
    scheduled.set({"stac": str(sentinel.parent / "items.json")}, str(sentinel))
    result = scheduled.run()
    assert (result["indexed"], result["rejected"]) == (2, [])
    assert sorted(scheduled.tiles()) == ["items.json/one#bands", "s2/item.json#bands"]
    assert scheduled.run()["unchanged"] == 2


def test_the_pixels_of_a_stack_are_those_of_its_bands(tmp_path: Path) -> None:
    band_files(tmp_path, a=128, b=64)
    write_stack([("x", tmp_path / "a.tif"), ("y", tmp_path / "b.tif")], tmp_path / "out", 1 << 30, lambda: None)
    with (
        rasterio.open(tmp_path / "out") as stacked,
        rasterio.open(tmp_path / "a.tif") as fine,
        rasterio.open(tmp_path / "b.tif") as coarse,
    ):
        assert (stacked.descriptions, stacked.shape, stacked.bounds) == (("x", "y"), (128, 128), fine.bounds)
        assert np.array_equal(stacked.read(1), fine.read(1))
        assert abs(stacked.read(2).mean() - coarse.read(1).mean()) < 20
