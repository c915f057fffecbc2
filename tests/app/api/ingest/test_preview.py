"""Preview of a file before it is indexed."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support import images
from tests.support.service import Service, document


def preview(service: Service, name: str, data: bytes, **settings: Any) -> dict[str, Any]:
    """The preview of a file with these settings."""
    answer = service.client.post("/preview", files={"file": (name, data)}, data={"settings": json.dumps(settings)})
    found: dict[str, Any] = document(answer)
    return found


def picture(found: dict[str, Any], at: int = 0) -> Image.Image:
    """One of the tiles of a preview."""
    return Image.open(io.BytesIO(base64.b64decode(found["previews"][at]["picture"].split(",")[1])))


def test_a_scene_has_bands_size_place_and_three_tiles(service: Service, tmp_path: Path) -> None:
    scene = images.geotiff(tmp_path / "scene_20200831.tif", images.textured(4, 700, 900, "uint16"))
    found = preview(service, "scene_20200831.tif", scene.read_bytes())
    assert (found["kind"], found["width"], found["height"], found["dtype"]) == ("scene", 900, 700, "uint16")
    assert found["tile_size"] == 256
    assert found["tiles"] == 12
    assert found["crs"].startswith("EPSG:")
    assert found["datetime"].startswith("2020-08-31")
    assert [band["used"] for band in found["bands"]] == [True, True, True, False]
    assert len(found["ranges"]) == 3
    assert len({tile["window"] for tile in found["previews"]}) == 3
    narrow = preview(
        service, "scene.tif", scene.read_bytes(), bands=[4, 4, 4], scaling={"method": "range", "low": 0, "high": 1e9}
    )
    assert [band["used"] for band in narrow["bands"]] == [False, False, False, True]
    assert np.asarray(picture(narrow)).max() < 4 < np.asarray(picture(found)).max()


def test_a_small_scene_gets_a_smaller_tile_size_unless_one_is_given(service: Service, tmp_path: Path) -> None:
    scene = images.rgb_tif(tmp_path / "small.tif", 300, 420)
    found = preview(service, "small.tif", scene.read_bytes())
    assert (found["tile_size"], found["tiles"]) == (128, 12)
    assert preview(service, "small.tif", scene.read_bytes(), tile_size=64)["tile_size"] == 64


def test_a_zip_and_an_image(service: Service, tmp_path: Path) -> None:
    members = {"a/notes.txt": b"no image", **{f"a/{n}.jpg": images.jpeg_bytes(n) for n in range(5)}}
    found = preview(service, "tiles.zip", images.zipped(tmp_path / "tiles.zip", members).read_bytes())
    assert (found["kind"], found["tiles"]) == ("archive", None)
    assert [tile["file_name"] for tile in found["previews"]] == [f"tiles.zip/a/{n}.jpg" for n in range(3)]
    image = preview(service, "a.jpg", images.jpeg_bytes())
    assert (image["kind"], image["tiles"], len(image["previews"])) == ("image", 1, 1)


def test_errors_name_the_reason_and_nothing_stays(service: Service, tmp_path: Path) -> None:
    client = service.client
    assert client.post("/preview", files={"file": ("a.txt", b"Dear sir")}).status_code == 415
    assert client.post("/preview", files={"other": ("a.jpg", images.jpeg_bytes())}).status_code == 422
    assert client.post("/preview", data={"settings": "{}"}, files={"file": ("a.jpg", images.jpeg_bytes())}).status_code == 200
    wrong = client.post("/preview", data={"settings": '{"tile_size": 1}'}, files={"file": ("a.jpg", images.jpeg_bytes())})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["loc"] == "tile_size"
    scene = images.rgb_tif(tmp_path / "x.tif", 200, 200).read_bytes()
    bands = client.post("/preview", data={"settings": '{"bands": [9, 9, 9]}'}, files={"file": ("x.tif", scene)})
    assert bands.status_code in (400, 422)
    empty = images.zipped(tmp_path / "none.zip", {"readme.txt": b"none"}).read_bytes()
    assert "no image of the zip" in client.post("/preview", files={"file": ("none.zip", empty)}).json()["detail"]
