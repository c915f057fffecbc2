"""GeoParquet with embeddings becomes a collection without images, which is searched by item, place and vector."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pystac
import pytest
from pyarrow import parquet
from shapely.geometry import Point

from tests.support.pictures import striped
from tests.support.service import Service, document

HOG = 81


def items(service: Service, collection: str, **query: Any) -> list[dict[str, Any]]:
    answer = service.client.get(f"/collections/{collection}/items", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = document(answer)["features"]
    return found


def found(service: Service, collection: str, **body: Any) -> list[dict[str, Any]]:
    answer = service.client.post(f"/collections/{collection}/search", json={"limit": 20, **body})
    assert answer.status_code == 200, answer.text
    features: list[dict[str, Any]] = document(answer)["features"]
    return features


@pytest.fixture
def exported(service: Service, fresh: Callable[..., str]) -> tuple[str, bytes]:
    """A collection of 6 tiles, and its export with embeddings."""
    name = fresh(model="hog", tile_size=64)
    metadata = {
        f"{n}.png": {
            "bbox": [10 + n / 10, 50, 10.05 + n / 10, 50.05],
            "datetime": f"2025-0{n + 1}-01T00:00:00Z",
            "labels": ["river" if n < 3 else "town"],
            "properties": {"n": n},
        }
        for n in range(6)
    }
    service.upload(name, {f"{n}.png": striped(15 * n, seed=n) for n in range(6)}, metadata)
    answer = service.client.get(f"/collections/{name}/items", params={"f": "parquet", "embeddings": "true"})
    assert answer.status_code == 200, answer.text
    return name, answer.content


def test_an_export_is_a_source(service: Service, fresh: Callable[..., str], exported: tuple[str, bytes]) -> None:
    original, data = exported
    copy = fresh(model=f"vectors-{HOG}")
    result = service.upload(copy, {"tiles.parquet": data})
    assert (result["indexed"], result["rejected"]) == (6, [])
    assert service.upload(copy, {"tiles.parquet": data})["unchanged"] == 6
    first, same = items(service, original, filter="n = 0")[0], items(service, copy, filter="n = 0")[0]
    assert same["geometry"] == first["geometry"]
    assert "thumbnail" not in same["properties"]
    for name in ("datetime", "labels", "file_name", "n"):
        assert same["properties"][name] == first["properties"][name]
    pystac.Item.from_dict(same).validate()
    ranked = [each["properties"]["n"] for each in found(service, original, positives=[first["id"]], rerank=False)]
    again = found(service, copy, positives=[same["id"]])
    assert [each["properties"]["n"] for each in again] == ranked
    vectors = parquet.read_table(io.BytesIO(data)).to_pylist()
    by_vector = found(service, copy, vector=next(each["embedding"] for each in vectors if each["n"] == 3))
    assert (by_vector[0]["properties"]["n"], by_vector[0]["properties"]["score"]) == (3, pytest.approx(1, abs=1e-4))
    assert by_vector[0]["id"] in {each["id"] for each in items(service, copy)}
    assert [each["properties"]["n"] for each in found(service, copy, point=[10.02, 50.02])] == ranked
    towns = found(service, copy, positives=[same["id"]], labels=["town"])
    assert {each["properties"]["n"] for each in towns} == {3, 4, 5}


def test_what_needs_an_image_is_refused(service: Service, fresh: Callable[..., str], exported: tuple[str, bytes]) -> None:
    copy = fresh(model=f"vectors-{HOG}")
    (item, *_) = service.upload(copy, {"tiles.parquet": exported[1]})["item_ids"]
    for what in ("thumbnail", "image"):
        answer = service.client.get(f"/collections/{copy}/items/{item}/{what}")
        assert (answer.status_code, "was imported" in answer.text) == (404, True)
    image = service.client.post(f"/collections/{copy}/search", files={"image": ("a.png", striped(0))})
    assert (image.status_code, "search by item, place or vector" in image.text) == (400, True)
    for vector in ([1.0, 2.0], [0.0] * HOG):
        answer = service.client.post(f"/collections/{copy}/search", json={"vector": vector})
        assert (answer.status_code, str(HOG) in answer.text) == (400, True), answer.text
    assert f"vectors-{HOG}" in {each["id"] for each in document(service.client.get("/models"))["models"]}
    listed = document(service.client.get(f"/models/vectors-{HOG}"))
    assert (listed["kind"], listed["dimension"]) == ("vectors", HOG)
    assert service.client.delete(f"/collections/{copy}/items/{item}").status_code == 204


def test_into_the_model_that_made_them(service: Service, fresh: Callable[..., str], exported: tuple[str, bytes]) -> None:
    copy = fresh(model="hog")
    assert service.upload(copy, {"tiles.parquet": exported[1]})["indexed"] == 6
    answer = service.client.post(f"/collections/{copy}/search", files={"image": ("a.png", striped(15, seed=1))})
    assert document(answer)["features"][0]["properties"]["n"] == 1


def test_a_file_of_another_program(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    """Points in Web Mercator with a column `vector`, as GeoDataFrames are written."""
    rng = np.random.default_rng(0)
    usable = [rng.normal(size=16).astype(np.float32) for _ in range(300)]
    vectors = [*usable, None]
    points = [Point(13 + number / 1000, 52) for number in range(301)]
    frame = geopandas.GeoDataFrame({"tile_id": [f"t{n}" for n in range(301)], "area": range(301)}, geometry=points, crs=4326)
    frame["vector"] = vectors
    frame.to_crs(3857).to_parquet(tmp_path / "points.parquet")
    name = fresh(model="vectors-16")
    result = service.upload(name, {"points.parquet": (tmp_path / "points.parquet")})
    assert (result["indexed"], result["notes"][0]["note"]) == (300, "left out: 1 rows without a usable vector")
    (one,) = items(service, name, filter="area = 7")
    assert (one["geometry"]["type"], one["properties"]["file_name"]) == ("Point", "t7")
    assert one["geometry"]["coordinates"] == pytest.approx([13.007, 52])
    best = found(service, name, vector=[float(each) for each in usable[7]])[0]
    assert (best["id"], best["properties"]["score"]) == (one["id"], pytest.approx(1, abs=1e-4))
    frame.iloc[:200].to_parquet(tmp_path / "fewer.parquet")
    fewer = service.upload(name, {"points.parquet": (tmp_path / "fewer.parquet")})
    assert (fewer["indexed"], fewer["changed"], len(items(service, name, filter="area > 195"))) == (200, 200, 4)


def test_files_without_fitting_vectors_are_rejected(service: Service, fresh: Callable[..., str], tmp_path: Path) -> None:
    name = fresh(model="vectors-4")

    def reason(**columns: Any) -> str:
        parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
        return str(service.upload(name, {"a.parquet": (tmp_path / "a.parquet")})["rejected"][0]["reason"])

    assert "no column embedding" in reason(n=[1, 2])
    assert "rename it" in reason(a=[[1.0, 2.0]], b=[[1.0, 2.0]])
    assert "'vectors-2'" in reason(embedding=[[1.0, 2.0]])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    broken = service.upload(name, {"broken.parquet": (tmp_path / "broken.parquet")})["rejected"][0]["reason"]
    assert "damaged" in broken
