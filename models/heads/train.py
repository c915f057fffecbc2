"""Train a head on a collection's labels: `python -m models.heads.train FOLDER`. Prints lines of JSON. Free of torch.

FOLDER holds the files that `models.heads.input_files` reads; the bundle is written to `FOLDER/bundle/ID`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.ranking import second_stage
from models.bundle.trained_card import TrainingSet
from models.heads.child_program import run_program
from models.heads.errors import HeadError
from models.heads.evaluation.head_gain import Measured, measure_heads
from models.heads.evaluation.pair_scores import PairScorer, Surroundings
from models.heads.evaluation.recalibrate import Fold, Recalibration, recalibrate
from models.heads.fitting.cross_fit import CrossFit, cross_fit, fit_chosen
from models.heads.fitting.fit_head import Examples
from models.heads.head_bundle import HeadFacts, read_head, write_head_bundle
from models.heads.head_recipe import HeadRecipe
from models.heads.input_files import Inputs, read_inputs, read_learned_tiles
from models.heads.progress import ProgressCallback, sub_progress
from models.heads.starting_head import starting_head

FEWEST_CLASSES, FEWEST_TILES = 2, 2
OUT = "bundle"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def main() -> int:
    """The program; returns its exit status."""
    return run_program("Train a head on a collection's labels.", train_head)


def train_head(folder: Path, progress: ProgressCallback) -> dict[str, Any]:
    """Read the input, train, calibrate, evaluate, write; returns the values of the last output line.

    Raises:
        HeadError: too few labels, no features, or files that do not fit. BundleError: the base is invalid, or the id exists.
    """
    progress(0, "reading input")
    inputs = read_inputs(folder)
    recipe = HeadRecipe.with_changes(inputs.manifest.recipe)
    rows = _labelled_rows(inputs)
    features = _features(inputs)
    base = starting_head(read_head(inputs.manifest.bundle), features, inputs.manifest.seed)
    examples = _examples(inputs, features, rows, recipe)
    seed, own = inputs.manifest.seed, sub_progress(progress, 5, 50)
    cross = cross_fit(base, examples, recipe, seed, own, places=inputs.places[rows])
    head = fit_chosen(base, examples, cross, seed, sub_progress(progress, 50, 65))
    scorer = None if inputs.matcher is None else PairScorer(inputs.manifest.bundle, inputs.card, inputs.matcher)
    learned = _recalibrate(inputs, features, scorer, rows, cross, progress)
    measured = measure_heads(inputs, features, (base, head), scorer, learned, sub_progress(progress, 85, 97))
    progress(97, "writing the model")
    training = {
        "recipe": cross.recipe.model_dump(mode="json"),
        "labelled": len(rows),
        "unlabelled": len(examples.unlabelled),
        "classes": inputs.name_counts(rows),
        "rounds": cross.rounds,
        "pairs": learned.pairs,
        "notes": _notes(cross, learned, measured),
    }
    pixels = None if inputs.matcher is None else np.asarray(inputs.matcher.pixels[:3])
    facts = _facts(inputs, training, learned, measured)
    card = write_head_bundle(folder / OUT, inputs.manifest.bundle, head, facts, pixels)
    matcher = {} if card.matcher is None else card.matcher.model_dump(include={"fusion", "calibration"})
    return {
        "model": card.id,
        "base": inputs.card.id,
        "metrics": None if measured is None else measured.to_dict(),
        "fusion": matcher.get("fusion"),
        "calibration": matcher.get("calibration"),
        **training,
    }


def _labelled_rows(inputs: Inputs) -> NDArray[np.intp]:
    if not _ID.fullmatch(inputs.manifest.id):
        raise HeadError(f"manifest.json: id: {inputs.manifest.id!r} is not a valid id; use letters, digits, '_', '-' and '.'")
    rows = np.flatnonzero(inputs.is_labelled & ~inputs.held_out)
    counts = inputs.name_counts(rows)
    if sum(count >= FEWEST_TILES for count in counts.values()) < FEWEST_CLASSES:
        found = ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"
        raise HeadError(
            f"too few labels to train on: {found}. A head needs at least {FEWEST_CLASSES} labels with {FEWEST_TILES} tiles "
            "each; one labelled tile in five is held out for evaluation and does not count"
        )
    return rows


def _features(inputs: Inputs) -> NDArray[np.float16]:
    if inputs.features is None:
        advice = "re-index the collection" if inputs.card.feature_dimension else "its model has none: choose another model"
        raise HeadError(f"these tiles have no stored features, which training a head needs; {advice}")
    return inputs.features


def _examples(inputs: Inputs, features: NDArray[np.float16], rows: NDArray[np.intp], recipe: HeadRecipe) -> Examples:
    """The labelled tiles, and a sample of the tiles that are neither labelled nor held out, in the order of the file."""
    others = np.flatnonzero(~inputs.is_labelled & ~inputs.held_out)
    drawn = np.sort(np.random.default_rng(inputs.manifest.seed).permutation(others)[: recipe.unlabelled])
    labelled, unlabelled = (np.asarray(features[each], dtype=np.float32) for each in (rows, drawn))
    if not (np.isfinite(labelled).all() and np.isfinite(unlabelled).all()):
        raise HeadError("features.npy: a feature is not finite; re-index the collection")
    return Examples(labelled, inputs.labels[rows], unlabelled)


def _recalibrate(
    inputs: Inputs,
    features: NDArray[np.float16],
    scorer: PairScorer | None,
    rows: NDArray[np.intp],
    cross: CrossFit,
    progress: ProgressCallback,
) -> Recalibration:
    """Recalibrate on the labelled tiles and a sample of the unlabelled ones."""
    base = second_stage(inputs.card)
    if base is None or (inputs.card.matcher is not None and inputs.matcher is None):
        return Recalibration()
    scored = rows if inputs.matcher is None else inputs.matcher.rows
    places = np.flatnonzero(np.isin(scored, rows))
    among = np.searchsorted(rows, scored[places])  # rows are ascending
    unlabelled = np.asarray(features[inputs.archive.rows], np.float32)
    folds = []
    for fold, head in enumerate(cross.heads):
        own = cross.folds[among] == fold
        others = Surroundings(head.project(unlabelled), inputs.archive.pairs)
        folds.append(Fold(cross.embeddings[among[own]], inputs.label_sets(rows[among[own]]), others, places[own]))
    return recalibrate(folds, base, scorer, inputs.manifest.seed, sub_progress(progress, 65, 85))


def _notes(cross: CrossFit, learned: Recalibration, measured: Measured | None) -> list[str]:
    """Remarks about the result, for people."""
    notes = [learned.note] if learned.note else []
    if cross.rounds == 0:
        notes.append("in cross-validation no new head was better than the base model's, which is kept")
    if measured is None:
        notes.append("too few held-out tiles share a label: the head was not evaluated")
    return notes


def _facts(inputs: Inputs, training: dict[str, Any], learned: Recalibration, measured: Measured | None) -> HeadFacts:
    manifest, count = inputs.manifest, training["labelled"]
    return HeadFacts(
        id=manifest.id,
        title=manifest.title or manifest.id,
        description=f"{inputs.card.title or inputs.card.id} with a head trained on {count} labelled tiles",
        labels_from=TrainingSet(name=manifest.collection or "labelled tiles", terms="not stated", images=count),
        training=training,
        metrics={} if measured is None else measured.measurements(),
        fusion=learned.fusion,
        calibration=learned.calibration,
        ranking=learned.ranking,
        learned=read_learned_tiles(inputs.folder),
    )


if __name__ == "__main__":
    sys.exit(main())
