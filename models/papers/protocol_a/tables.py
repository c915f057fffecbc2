"""Tables I to III of the residual-dyad paper, and its figures 7 and 10, measured and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from models.evaluation.aggregate import estimate
from models.evaluation.protocols import RESIDUAL_DYAD_FOLDS, RESIDUAL_DYAD_FRACTIONS
from models.papers.markdown import markdown_table, number
from models.papers.protocol_a.budget import AUTOENCODERS, DESCRIPTOR_SIZE, DIMENSIONS, MATCHERS, STAGES, WEIGHT, WORDS
from models.papers.protocol_a.cell_list import table1_key
from models.papers.results import Results

OURS = table1_key("resdyad-ae", "finetuned", "resdyad-dml")
KS = (5, 10, 50, 100, 1000)
NAMES = {"res-ae": "ResAE", "resdyad-ae": "ResDyadAE", "res-dml": "ResDML", "resdyad-dml": "ResDyadDML"}
_STAGE_NAMES = {"landuse": "LandUse", "aid": "AID (paper: GTCrossView)", "finetuned": "Fine Tuned"}

Pair = tuple[float, float]
NOT_PRINTED = (None, None)
TABLE1: Mapping[tuple[str, str], tuple[Pair, Pair]] = MappingProxyType(
    {
        ("res-ae", "landuse"): ((0.60, 25.79), (0.64, 22.19)),
        ("res-ae", "aid"): ((0.61, 25.07), (0.57, 31.67)),
        ("res-ae", "finetuned"): ((0.54, 33.80), (0.57, 32.32)),
        ("resdyad-ae", "landuse"): ((0.61, 27.52), (0.55, 40.97)),
        ("resdyad-ae", "aid"): ((0.40, 43.97), (0.19, 72.19)),
        ("resdyad-ae", "finetuned"): ((0.22, 67.28), (0.09, 81.20)),
    }
)
"""As printed: ANMRR and mAP with ResDML, then with ResDyadDML."""
TABLE2: Mapping[str, tuple[str, Pair | tuple[None, None]]] = MappingProxyType(
    {
        "a-table2-hog": ("HoG", (17.85, 21.88)),
        "a-table2-lbp-rgb": ("LBP-RGB", (17.96, 28.22)),
        "a-table2-vgg16": ("VGG-16", (28.26, 58.69)),
        "a-table2-googlenet": ("GoogLeNet", (55.86, 62.23)),
        "a-table2-resnet": ("ResNet (paper: SatResNet-50)", (69.94, 89.69)),
        "a-table2-siamese": ("Siamese", (10.39, 65.87)),
        OURS: ("ResDyadAE", (4.64, 81.20)),
        "a-table2-imagenet": ("EfficientNet-Lite0 with ImageNet weights", NOT_PRINTED),
        "a-table2-imagenet-taught": ("the same, upper part taught the classes", NOT_PRINTED),
    }
)
"""As printed: mAP by the Euclidean distance, and by ResDyadDML; the last two rows are not in the paper."""
Row = tuple[float | None, ...]
TABLE3: Sequence[tuple[str, str | None, str, Row]] = (
    ("HoG", "a-table2-hog", "euclid", (0.751, 17.85, 48.67, 41.88, 25.37, 19.2, 6.18)),
    ("LBP-RGB", "a-table2-lbp-rgb", "euclid", (0.751, 17.96, 58.73, 49.83, 28.12, 19.62, 6.07)),
    ("Dense SIFT (VLAD)", "a-table3-sift-vlad", "euclid", (0.649, 28.01, 74.93, 65.25, 38.20, 28.10, 7.18)),
    ("Dense SIFT (FV)", "a-table3-sift-fv", "euclid", (0.639, 29.18, 75.34, 66.28, 39.09, 28.54, 7.88)),
    ("GoogLeNet", "a-table2-googlenet", "euclid", (0.360, 55.86, 85.36, 80.96, 64.71, 52.36, 9.68)),
    ("NetVLAD", None, "", (0.406, 51.44, 83.00, 78.59, 61.63, 49.04, 9.29)),
    ("MLIR CNN-Fc7", None, "", (0.322, 62.73, 80.76, 71.00, 30.80, 17.77, None)),
    ("ResNet (paper: SatResNet-50)", "a-table2-resnet", "euclid", (0.239, 69.94, 92.06, 89.02, 77.23, 64.42, 9.86)),
    ("ResNet, ResDyadDML", "a-table2-resnet", "matcher", ()),
    ("ResDyadAE, ResDyadDML", OURS, "matcher", (0.090, 81.20, 99.4, 99.2, 99.0, 87.4, 9.90)),
)
"""Name, cell, ranking, and as printed: ANMRR, mAP, P@5, 10, 50, 100, 1000."""


def render_table1(results: Results) -> str:
    """Six autoencoders with two matchers, each for the whole ranking."""
    rows = []
    for backbone in AUTOENCODERS:
        for stage in STAGES:
            row = [f"{NAMES[backbone]} - {_STAGE_NAMES[stage]}"]
            for matcher, (anmrr, precision) in zip(MATCHERS, TABLE1[backbone, stage], strict=True):
                found = _ranking(results, table1_key(backbone, stage, matcher), "matcher")
                row += [_anmrr(found), number(anmrr), _map(found), number(precision)]
            rows.append(row)
    head = ["features"]
    for matcher in MATCHERS:
        head += [f"{NAMES[matcher]} ANMRR", "paper", f"{NAMES[matcher]} mAP", "paper"]
    note = (
        "*LandUse* is UC Merced's training split. In place of GTCrossView, which cannot be had, stand the 10 000 images of AID "
        "without their labels. The matchers rank every image but the query."
    )
    run = _what_was_run(results, [table1_key("resdyad-ae", "landuse", "resdyad-dml"), OURS])
    return f"{run}\n\n{note}\n\n{markdown_table(head, rows)}"


def render_table2(results: Results) -> str:
    """Each row by the cosine, by the matcher over the whole ranking, and by both over the first 100 places."""
    rows = []
    for key, (name, (euclid, learned)) in TABLE2.items():
        alone, matched = _ranking(results, key, "euclid"), _ranking(results, key, "matcher")
        fused = _two_stage(results, key)
        rows.append([name, _map(alone), number(euclid), _map(matched), number(learned), _map(fused), _anmrr(fused)])
    head = ["features", "Euclid", "paper", "DML", "paper", "two-stage", "two-stage ANMRR"]
    note = (
        "mAP in percent. *Two-stage*: the first 100 places by the cosine in the order of cosine + "
        f"{WEIGHT:g} log-odds of the matcher, a weight fixed beforehand."
    )
    return f"{_what_was_run(results, list(TABLE2))}\n\n{note}\n\n{markdown_table(head, rows)}"


def render_table3(results: Results) -> str:
    """ANMRR, mAP and precision at k, measured and, below, published."""
    rows = []
    for name, key, ranking, printed in TABLE3:
        if key is not None:
            found = _ranking(results, key, ranking)
            precision = {} if found is None else found["precision_at"]
            rows.append([name, _anmrr(found), _map(found), *(number(precision.get(str(k)), percent=True) for k in KS)])
        if printed:
            rows.append([f"{name}, the paper", number(printed[0], 3), *(number(value) for value in printed[1:])])
    note = (
        f"Hand-crafted rows look at {DESCRIPTOR_SIZE} px, the codebooks ({WORDS} words; {WORDS} Gaussians over {DIMENSIONS} "
        "dimensions) at training images only; the networks are those of Table II. NetVLAD and MLIR were not rebuilt."
    )
    return f"{note}\n\n{markdown_table(['method', 'ANMRR', 'mAP', *(f'P@{k}' for k in KS)], rows)}"


def render_figures(results: Results) -> str:
    """Figures 10 and 7 as tables: ResDyadDML by trained share, and over five folds."""
    rows = []
    for share in sorted(RESIDUAL_DYAD_FRACTIONS):
        found = _ranking(results, f"a-fig10-{round(100 * share)}", "matcher")
        rows.append([f"{round(100 * share)} % trained", _anmrr(found), _map(found)])
    folds = [_ranking(results, f"a-fig7-fold{fold + 1}", "matcher") for fold in range(RESIDUAL_DYAD_FOLDS)]
    done = [each for each in folds if each is not None]
    if done:
        anmrr = estimate([each["anmrr"] for each in done]).text(scale=1, digits=3)
        precision = estimate([each["mean_average_precision"] for each in done]).text(scale=100, digits=2)
        rows.append([f"{len(done)} of {RESIDUAL_DYAD_FOLDS} folds", anmrr, precision])
    rows.append(["5 folds, the paper", "0.112 ± 0.05", "80.79 ± 5.65"])
    note = "ResDyadDML on the ResDyadAE that was trained on AID only. The paper prints its curve without numbers."
    return f"{note}\n\n{markdown_table(['split', 'ANMRR', 'mAP'], rows)}"


def _what_was_run(results: Results, keys: Sequence[str]) -> str:
    """Text about the runs, from the stored settings."""
    parts = [f"{_recipe(recipe)} ({key.split('-', 2)[2]})" for key in keys for recipe in _recipes(results, key)]
    matchers = [settings["matcher"] for key in keys if (settings := results.settings(key)) and "matcher" in settings]
    if matchers:
        parts.append(f"matchers {_recipe(matchers[0])}")
    if not parts:
        return "Not run yet."
    return (
        "Run, from scratch where no ImageNet weights are named (the paper's supervised rows begin with such): "
        f"{'; '.join(parts)}. 80 % of each class trained on, the other images query, every image but the query is ranked."
    )


def _recipes(results: Results, key: str) -> list[dict[str, Any]]:
    settings = results.settings(key) or {}
    return [settings[name] for name in ("start", "encoder") if name in settings]


def _recipe(recipe: Mapping[str, Any]) -> str:
    steps = recipe["steps_per_epoch"]
    budget = f"{recipe['epochs'] * steps} updates" if steps else f"{recipe['epochs']} epochs"
    network = recipe["name"] if recipe["task"] == "matcher" else f"{recipe['backbone']} of width {recipe['width']}"
    return f"{network} at {recipe['image_size']} px, {budget} of {recipe['batch_size']}, {recipe['optimiser']} {recipe['lr']:g}"


def _ranking(results: Results, key: str, name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (results.read(key) or {}).get(name)
    return found


def _two_stage(results: Results, key: str) -> dict[str, Any] | None:
    found = _ranking(results, key, "two_stage")
    return None if found is None else dict(found["after"][f"{WEIGHT:g}"])


def _map(found: Mapping[str, Any] | None) -> str:
    return number(None if found is None else found["mean_average_precision"], percent=True)


def _anmrr(found: Mapping[str, Any] | None) -> str:
    return number(None if found is None else found["anmrr"], 3)
