"""An image of the collection as a query is prepared as its tile was, for every type of values and every scaling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from app.imagery.pictures import previews
from app.imagery.raster.decode_budget import BUDGET
from app.imagery.tiling import query
from tests.support import images
from tests.support.service import Service, document

MODEL = "dyad-rgb-128"
SCALINGS: dict[str, dict[str, Any]] = {
    "auto": {"method": "auto"},
    "percentile": {"method": "percentile", "low": 5, "high": 90},
    "range": {"method": "range", "low": 0, "high": 3000},
    "reflectance": {"method": "reflectance"},
    "none": {"method": "none"},
}


def scene(path: Path, dtype: str) -> Path:
    """A scene that becomes brighter to the right and below, so that no tile has the percentiles of the scene."""
    values = images.textured(3, 256, 384, dtype).astype(np.float64)
    rise = np.linspace(0.2, 1, 384) * np.linspace(0.4, 1, 256)[:, np.newaxis]
    return images.geotiff(path, np.maximum(values * rise, values.max() / 200).astype(dtype))


def without_tags(image: bytes, *, has_place: bool) -> bytes:
    with MemoryFile(image) as memory, memory.open() as source, MemoryFile() as target:
        profile = {**source.profile}
        if not has_place:
            del profile["crs"], profile["transform"]
        with target.open(**profile) as file:
            file.write(source.read())
        return bytes(target.getbuffer())


def best(service: Service, collection: str, image: bytes) -> tuple[str, float]:
    answer = service.client.post(f"/collections/{collection}/search", files={"image": ("query.tif", image)})
    assert answer.status_code == 200, answer.text
    found = document(answer)
    assert found["warnings"] == []
    return found["features"][0]["id"], found["features"][0]["properties"]["similarity"]


@pytest.mark.parametrize(
    ("dtype", "scaling"),
    [
        *((dtype, scaling) for dtype in ("uint8", "uint16") for scaling in SCALINGS if (dtype, scaling) != ("uint16", "none")),
        ("int16", "auto"), ("int16", "percentile"), ("float32", "auto"), ("float32", "percentile"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_its_own_image_comes_first(service: Service, tmp_path: Path, dtype: str, scaling: str) -> None:
    collection = f"own-{dtype}-{scaling}"
    service.create(collection, model=MODEL, tile_size=128, stride=128, scaling=SCALINGS[scaling])
    assert service.upload(collection, {"scene.tif": scene(tmp_path / "scene.tif", dtype)})["indexed"] == 6
    items = document(service.client.get(f"/collections/{collection}/items"))["features"]
    for item in items:
        image = service.client.get(f"/collections/{collection}/items/{item['id']}/image").content
        queries = {
            "the image": image,
            "without tags": without_tags(image, has_place=True),
            "without a place": without_tags(image, has_place=False),
        }
        for name, sent in queries.items():
            found, similarity = best(service, collection, sent)
            assert found == item["id"], name
            assert similarity >= 0.999, name


def test_a_piece_of_the_scene_finds_its_tiles(service: Service, tmp_path: Path) -> None:
    path = scene(tmp_path / "scene.tif", "uint16")
    service.create("pieces", model=MODEL, tile_size=128, stride=128)
    service.upload("pieces", {"scene.tif": path})
    with rasterio.open(path) as file:
        values = file.read(window=rasterio.windows.Window(120, 124, 128, 128))
    transform = rasterio.Affine(1, 0, 500_120, 0, -1, 5_200_000 - 124)
    piece = images.geotiff(tmp_path / "piece.tif", values, transform=transform)
    answer = document(service.client.post("/collections/pieces/search", files={"image": ("piece.tif", piece.read_bytes())}))
    assert answer["features"][0]["properties"]["window"] == "128,128,128,128"


def test_a_single_16_bit_image_finds_itself(service: Service, tmp_path: Path) -> None:
    service.create("deep", model=MODEL)
    files = {
        f"{seed}.tif": images.plain_tif(tmp_path / f"{seed}.tif", images.textured(3, 128, 128, "uint16", seed) // (seed + 1))
        for seed in range(4)
    }
    service.upload("deep", files)
    for name, path in files.items():
        answer = document(service.client.post("/collections/deep/search", files={"image": (name, path.read_bytes())}))
        first = answer["features"][0]["properties"]
        assert first["file_name"] == name
        assert first["similarity"] >= 0.999


def test_another_scale_is_reported(service: Service, tmp_path: Path) -> None:
    service.create("scales", model=MODEL, tile_size=128, stride=128)
    coarse = rasterio.Affine(10, 0, 500_000, 0, -10, 5_200_000)
    service.upload("scales", {"scene.tif": images.geotiff(tmp_path / "s.tif", images.textured(3, 256, 256), transform=coarse)})
    fine = rasterio.Affine(0.3, 0, 500_000, 0, -0.3, 5_200_000)
    sent = images.geotiff(tmp_path / "q.tif", images.textured(3, 128, 128), transform=fine).read_bytes()
    answer = document(service.client.post("/collections/scales/search", files={"image": ("q.tif", sent)}))
    (warning,) = answer["warnings"]
    assert "38.4 m wide (0.3 m per pixel), the tiles 1.28e+03 m (10 m)" in warning


def test_memory_for_decoding_is_limited(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "QUERY_SECONDS", 0.05)
    monkeypatch.setattr(previews, "QUERY_SECONDS", 0.05)
    service.create("budget", model=MODEL)
    with BUDGET.hold(10**12):
        answer = service.client.post("/collections/budget/search", files={"image": ("q.jpg", images.jpeg_bytes())})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "DYAD_DECODE_MB" in answer.json()["detail"]
