"""mAP and P@10 before and after re-ranking on the test images of UC Merced and AID: over HTTP, and by models/ alone.

python benchmarks/bench_two_stage.py [--data ../shared/data] [--sets ucmerced aid] [--queries 0] [--cache build/cache]

The images that the shipped model's card keeps for tests are uploaded to a service, and each is asked with by its id, without
and with re-ranking; all pages are read, so that the ranking is whole. The same images go through the evaluation of `models/`
(its own decoding, its own ONNX sessions, its own ranking); both should say the same. Images query each other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.inference.local_models import BUNDLED
from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from models.bundle.card import ModelCard
from models.bundle.ranking import matcher_ranking
from models.bundle.verify import read_card
from models.data.cache import load_pixels
from models.data.folders import ImageList, list_class_folders
from models.evaluation.learned_matcher import learned_weights
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.rerank import Quality
from models.evaluation.metrics.retrieval import average_precision, precision_at
from models.evaluation.metrics.shortlists import RankedShortlists
from models.evaluation.protocols import residual_dyad
from models.runs.evaluation.bundle_encoding import encode_with_bundle, shortlist_log_odds
from models.runs.evaluation.evaluation_split import divide
from tests.support.process import ServeProcess

ROOT = Path(__file__).parents[1]
BUNDLE = BUNDLED / "dyad-rgb-128"
PAGE = 1000
BATCH = 100
Ranking = tuple[float, float]
"""mAP and P@10 in points."""


def main() -> None:
    """Measure each set and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="+", default=["ucmerced", "aid"], help="folders of class folders in --data")
    parser.add_argument("--queries", type=int, default=0, help="at most so many of a set, spread over it; 0 for all")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="for the pixels that models/ decodes")
    options = parser.parse_args()
    rows: list[list[str]] = []
    for name in options.sets:
        images = test_images(options.data / name, name)
        step = max(1, len(images) // options.queries) if options.queries else 1
        queries = np.arange(0, len(images), step)
        with tempfile.TemporaryDirectory() as home:
            served = through_http(Path(home), images, queries)
        evaluated = through_models(images, queries, options.cache)
        for stage, ours, theirs in zip(("embedding", "re-ranked"), served, evaluated, strict=True):
            numbers = [f"{value:.2f}" for pair in zip(ours, theirs, strict=True) for value in (*pair, pair[0] - pair[1])]
            rows.append([f"{name}, {stage}", f"{len(queries):,}", *numbers])
    print(machine_line())
    columns = ["test images of", "queries", "mAP", "models/", "differs", "P@10", "models/", "differs"]
    print_table("Rankings over HTTP and by models/, in points", columns, rows)


def test_images(folder: Path, name: str) -> ImageList:
    """The images of a set that the shipped model was neither trained nor validated on."""
    images = list_class_folders(folder)
    division = divide(images, images, name, residual_dyad(), card(), None)
    if division.warnings:
        raise SystemExit("; ".join(division.warnings))
    return images.take(division.test)


def card() -> ModelCard:
    """Of the shipped model."""
    return read_card(BUNDLE)


def through_http(home: Path, images: ImageList, queries: NDArray[np.intp]) -> list[Ranking]:
    """Both stages as a client sees them."""
    with ServeProcess(home) as service:
        service.client.post("/collections", json={"id": "test", "model": card().id}).raise_for_status()
        ids = upload(service, images)
        row_of = {item: row for row, item in enumerate(ids)}
        stages = []
        for rerank in (False, True):
            measured = []
            for query in queries:
                order = [row_of[item] for item in whole_ranking(service, ids[query], rerank)]
                if sorted([*order, query]) != list(range(len(ids))):
                    raise RuntimeError(f"the ranking of {ids[query]} is not whole")
                ranks = np.flatnonzero(images.labels[order] == images.labels[query]) + 1
                measured.append((average_precision(ranks), precision_at(ranks, 10)))
            stages.append(in_points(np.mean(measured, axis=0)))
    return stages


def upload(service: ServeProcess, images: ImageList) -> list[str]:
    """Index all images; their ids in order."""
    found: dict[int, str] = {}
    for start in range(0, len(images), BATCH):
        rows = range(start, min(start + BATCH, len(images)))
        files = [("files", (f"{row:06}{images.paths[row].suffix}", images.paths[row].read_bytes())) for row in rows]
        answer = service.client.post("/collections/test/items", files=files)
        answer.raise_for_status()
        job = answer.headers["location"]
        with service.client.stream("GET", f"{job}/events") as events:
            events.read()  # ends with the job
        result = service.client.get(f"{job}/results").json()
        if result["rejected"]:
            raise RuntimeError(result["rejected"][0])
    for page in pages(service, "/collections/test/items", {"limit": PAGE}):
        found |= {int(Path(item["properties"]["file_name"]).stem): item["id"] for item in page["features"]}
    return [found[row] for row in range(len(images))]


def whole_ranking(service: ServeProcess, item: str, rerank: bool) -> Iterator[str]:
    """Ids of all other tiles in the order of the search."""
    parameters = {"item": item, "limit": PAGE, "rerank": str(rerank).lower()}
    for page in pages(service, "/collections/test/search", parameters):
        if (page["rerank"] is not None) != rerank:
            raise RuntimeError(f"asked for rerank={rerank}, got {page['rerank']}")
        yield from (feature["id"] for feature in page["features"])


def pages(service: ServeProcess, address: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A GET and all that its `next` links lead to."""
    answer = service.client.get(address, params=parameters)
    while True:
        document: dict[str, Any] = answer.raise_for_status().json()
        yield document
        following = [link["href"] for link in document["links"] if link["rel"] == "next"]
        if not following:
            return
        answer = service.client.get(following[0])


def through_models(images: ImageList, queries: NDArray[np.intp], cache: Path) -> list[Ranking]:
    """Both stages as `dyad evaluate` measures them."""
    known = card()
    if known.matcher is None:
        raise SystemExit("the shipped model has no matcher")
    ranking = matcher_ranking(known.matcher)
    weights = learned_weights(ranking)
    pixels = load_pixels(images, known.input_size, cache)
    everything = np.arange(len(images))
    encoded = encode_with_bundle(BUNDLE, known, pixels, queries.astype(np.int64), threads=0, count=_silent)
    asked, labels = encoded.embeddings[queries], np.asarray(images.labels)
    shortlist = nearest(asked, encoded.embeddings, ranking.depth, own=queries)
    log_odds = shortlist_log_odds(BUNDLE, encoded, everything.astype(np.int64), shortlist, threads=0, count=_silent)
    ranked = RankedShortlists.of(asked, labels[queries], encoded.embeddings, labels, shortlist, log_odds, own=queries)
    report = ranked.report([weights])
    return [_points(report.before), _points(report.at(*weights))]


def _points(quality: Quality) -> Ranking:
    return in_points([quality.mean_average_precision, quality.precision_at_10])


def in_points(shares: Sequence[float] | NDArray[np.float64]) -> Ranking:
    """0..1 to 0..100."""
    precision, at_10 = (100 * float(share) for share in shares)
    return precision, at_10


def _silent(done: int, total: int) -> None:
    del done, total


if __name__ == "__main__":
    main()
