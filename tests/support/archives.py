"""An opened state folder with a small archive of stripes in it, and the steps that tests of its indexes share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.container import Container
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.settings import load_settings
from tests.support.bundles import digests
from tests.support.headed import DIMENSION, FEATURE, random_head, write_headed_bundle
from tests.support.labelled import ended
from tests.support.pictures import striped

ARCHIVE = "stripes"
ANGLES = (0, 45, 90, 135)


@contextmanager
def opened_archive(folder: Path, count: int = 15) -> Iterator[Container]:
    """A container in `folder/home` with the models of `write_models`; `base` indexes `folder/pictures`."""
    write_models(folder / "home")
    with opened(folder / "home") as container:
        index_pictures(container, write_pictures(folder / "pictures", count))
        yield container


@contextmanager
def opened(home: Path, **settings: Any) -> Iterator[Container]:
    """A container whose jobs run."""
    container = Container(load_settings({}, home=home, threads=2, **settings))
    container.start()
    try:
        yield container
    finally:
        container.close()


def write_models(home: Path) -> None:
    """`base`; `better` and `worse`: the same features under other heads; `other`: another encoder."""
    models = home / "models"
    base = write_headed_bundle(models / "base", random_head(1), pair=True)
    digest = digests(base, ["encoder.onnx"])["encoder.onnx"]
    same: dict[str, Any] = {"pair": True, "encoder_digest": digest, "pair_digest": digest}
    write_headed_bundle(models / "better", random_head(2), **same)
    weight, bias = np.zeros((DIMENSION, FEATURE), np.float32), np.ones(DIMENSION, np.float32)
    write_headed_bundle(models / "worse", (weight, bias), **same)
    write_headed_bundle(models / "other", random_head(3))


def write_pictures(folder: Path, count: int = 15) -> Path:
    """`count` pictures in a folder for each of `ANGLES`."""
    for angle in ANGLES:
        (folder / str(angle)).mkdir(parents=True)
        for seed in range(count):
            (folder / str(angle) / f"{seed}.png").write_bytes(striped(angle, 12, seed=seed, size=32))
    return folder


def index_pictures(parts: Container, folder: Path, model: str = "base", collection: str = ARCHIVE) -> None:
    """Index a folder with its folders' names as labels; the collection is made if it is new."""
    if collection not in parts.collections.ids():
        parts.collections.create(collection, model=model, tile_size=32)
    job = ended(parts, parts.ingest.submit_paths(collection, [folder], labels_from_folders=True))
    assert job.result is not None, job.error
    assert job.result["rejected"] == []


def reindexed(parts: Container, model: str | None = None, collection: str = ARCHIVE, **options: Any) -> dict[str, Any]:
    """The result of a re-indexing that succeeds."""
    job = ended(parts, parts.reindex.submit(collection, model, **options))
    assert job.result is not None, job.error
    return job.result


def tiles_of(parts: Container, index: str | None = None, collection: str = ARCHIVE) -> Mapping[str, Tile]:
    """All tiles of an index, the live one unless named, by id."""
    index = index or parts.collections.live(collection).index
    page = parts.vectors.scroll(index, limit=100_000, filter=TileFilter())
    assert page.after is None
    assert len({tile.id for tile in page.tiles}) == len(page.tiles) == parts.vectors.stats(index).size
    return {tile.id: tile for tile in page.tiles}


def rows_of(parts: Container, index: str | None = None, collection: str = ARCHIVE) -> NDArray[np.float32]:
    """(N, D) embeddings of all tiles by id."""
    index = index or parts.collections.live(collection).index
    return parts.vectors.retrieve_vectors(index, sorted(tiles_of(parts, index))).embedding
