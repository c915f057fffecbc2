"""Sheets of searches by two models beside each other, for the eye: the query, and its first ten results by each model.

    python benchmarks/draw_searches.py --out sheets [--models dyad-rgb dyad-rgb-128] [--data FOLDER]

Three archives: all of UC Merced (a query of each of eight classes), NAIP of one year in tiles of 64 px (eight queries),
Landsat of three years (four). Queries are chosen by a fixed seed, searches are those of the service with its defaults, and the
query itself is left out. A sheet is a PNG per archive; for UC Merced the numbers of right results are printed.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._imagery import DATA, images_of
from benchmarks._table import machine_line, print_table
from tests.support.service import Service, running_service

RESULTS = 10
SIDE = 96
LEFT = 110
MODELS = ("dyad-rgb", "dyad-rgb-128")
CLASSES = ("airplane", "baseballdiamond", "denseresidential", "forest", "harbor", "intersection", "river", "storagetanks")


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive and its searches. queries: how many; for images in folders of classes one of each of `CLASSES`."""

    name: str
    files: Sequence[Path]
    queries: int
    settings: dict[str, Any]


def archives_of(data: Path) -> list[Archive]:
    """The three archives under a folder of test data."""
    naip = sorted((data / "multidate" / "naip").glob("*2020*.tif"))
    landsat = [data / "multidate" / "landsat" / f"{year}.tif" for year in (1985, 2000, 2020)]
    scene = {"tile_size": 64, "bands": [1, 2, 3]}
    return [
        Archive("UC Merced", images_of(data), 8, {}),
        Archive("NAIP", naip, 8, scene),
        Archive("Landsat", landsat, 4, scene | {"bands": [1, 2, 3]}),
    ]


def main() -> None:
    """Search, draw and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True, help="folder of the sheets")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(machine_line())
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder) / "home") as service:
        for archive in archives_of(options.data):
            pages = {model: _pages(service, archive, model) for model in options.models}
            _draw(service, pages).save(options.out / f"{archive.name.lower().replace(' ', '-')}.png")
            for number, (query, *_) in enumerate(pages[options.models[0]]):
                counts = [_right(pages[model][number]) for model in options.models]
                rows.append([archive.name, query["properties"]["file_name"], *counts])
    print_table("right results among the first ten", ["archive", "query", *options.models], rows)


def _pages(service: Service, archive: Archive, model: str) -> list[list[dict[str, Any]]]:
    """Of each query the feature of the query and of its results."""
    collection = f"{archive.name}-{model}".lower().replace(" ", "-")
    service.create(collection, model=model, **archive.settings)
    for start in range(0, len(archive.files), 300):
        part = archive.files[start : start + 300]
        service.upload(collection, {f"{path.parent.name}-{path.name}": path for path in part})
    items = _items(service, collection)
    pages = []
    for item in _queries(archive, items):
        answer = service.client.post(
            f"/collections/{collection}/search", json={"positives": [item["id"]], "limit": RESULTS + 1}
        )
        answer.raise_for_status()
        found = [each for each in answer.json()["features"] if each["id"] != item["id"]]
        pages.append([item, *found[:RESULTS]])
    return pages


def _items(service: Service, collection: str) -> list[dict[str, Any]]:
    address, items = f"/collections/{collection}/items?limit=1000", []
    while address:
        page = service.client.get(address).json()
        items += page["features"]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
    return sorted(items, key=_place)


def _queries(archive: Archive, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chosen by place, so that both models get the same."""
    draw = random.Random(0)
    if archive.name != "UC Merced":
        return draw.sample(items, archive.queries)
    return [draw.choice([each for each in items if _class(each) == name]) for name in CLASSES]


def _place(item: dict[str, Any]) -> tuple[str, str]:
    return item["properties"]["file_name"], str(item["geometry"] and item["geometry"]["coordinates"])


def _class(item: dict[str, Any]) -> str:
    return str(item["properties"]["file_name"]).split("-")[0]


def _right(page: list[dict[str, Any]]) -> str:
    query, *found = page
    return "" if query["geometry"] else str(sum(_class(each) == _class(query) for each in found))


def _draw(service: Service, pages: dict[str, list[list[dict[str, Any]]]]) -> Image.Image:
    """Per query a row of each model: the query at the left, a gap, the results in their order."""
    number = len(next(iter(pages.values())))
    height = number * len(pages) * (SIDE + 4) + number * 12
    sheet = Image.new("RGB", (LEFT + 20 + (RESULTS + 1) * (SIDE + 4), height), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for row in range(number):
        for model, searched in pages.items():
            pen.text((4, top + SIDE // 2), model, fill="black")
            for column, item in enumerate(searched[row]):
                left = LEFT + column * (SIDE + 4) + (20 if column else 0)
                sheet.paste(_thumbnail(service, item), (left, top))
            top += SIDE + 4
        top += 12
    return sheet


def _thumbnail(service: Service, item: dict[str, Any]) -> Image.Image:
    href = next(link["href"] for link in item["links"] if link["rel"] == "thumbnail")
    return Image.open(io.BytesIO(service.client.get(href).content)).convert("RGB").resize((SIDE, SIDE))


if __name__ == "__main__":
    main()
