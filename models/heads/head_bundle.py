"""Write a bundle with a new head: the base bundle's files, three of them with the new matrix."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from models.bundle.card import MatcherCard, ModelCard, first_problem
from models.bundle.code_version import code_version
from models.bundle.errors import BundleError, ParityError
from models.bundle.files import ENCODER_FILE, HEAD_FILE, WEIGHTS_FILE
from models.bundle.head_nodes import EMBEDDING, FEATURE
from models.bundle.runtime import OnnxEncoder
from models.bundle.terms import recorded_terms
from models.bundle.trained_card import Measurement, TrainedCard, TrainingSet, describe_data, trained_card_problem
from models.bundle.verify import read_card, sha256
from models.bundle.writing import move_into_place, write_card
from models.heads.linear_head import Head
from models.heads.onnx_head import head_of, with_head

TOLERANCE = 1e-4
_WEIGHT, _BIAS = "encoder.head.weight", "encoder.head.bias"
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """Facts about a trained head, for its card.

    id: of the new model, also its folder's name. labels_from: collection of the labels, with the number of labelled tiles.
    training: recipe, counts and choices, for the card's `head`. metrics: by name. fusion, calibration: of the matcher; ranking:
    without one. None to keep the base model's.
    """

    id: str
    title: str
    description: str
    labels_from: TrainingSet
    training: Mapping[str, Any]
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    fusion: Mapping[str, Any] | None = None
    calibration: Mapping[str, Any] | None = None
    ranking: Mapping[str, Any] | None = None


def read_head(bundle: Path) -> Head:
    """The head of a bundle, read from its graph.

    Raises:
        HeadError: its embedding is not a linear projection of its feature.
    """
    return head_of(onnx.load(bundle / ENCODER_FILE, load_external_data=False), bundle)


def encoder_digest(card: ModelCard) -> str:
    """Identifies the feature extractor: equal for a bundle and all heads trained on it."""
    return card.encoder_digest or card.encoder_identity or card.files[ENCODER_FILE]


def learned_matcher(base: MatcherCard, fusion: Mapping[str, Any] | None, calibration: Mapping[str, Any] | None) -> MatcherCard:
    """The base model's matcher with the new fusion and calibration; None keeps the base model's."""
    learned = {"fusion": fusion, "calibration": calibration}
    changes = {name: dict(value) for name, value in learned.items() if value is not None}
    return MatcherCard.model_validate({**base.model_dump(exclude_unset=True), **changes})


def write_head_bundle(
    parent: Path, base: Path, head: Head, facts: HeadFacts, examples: NDArray[np.uint8] | None = None
) -> ModelCard:
    """Write the bundle `facts.id` into the folder `parent` atomically; returns its card.

    base: folder of the bundle that the head was trained on. examples: (N, S, S, B) uint8 tiles to compare graph and head on,
    None for random pixels.

    Raises:
        BundleError: the base is not a valid bundle, or the folder exists. HeadError: head and base do not fit together.
        ParityError: graph and head differ by more than 1e-4.
    """
    card = read_card(base)
    folder = parent / facts.id
    if folder.exists() or folder.is_symlink():
        raise BundleError(f"{folder} exists; choose another id, or delete the folder first")
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{facts.id}.", dir=parent))
    try:
        part = scratch / facts.id
        part.mkdir()
        for name in sorted({*card.files} - {ENCODER_FILE, WEIGHTS_FILE, HEAD_FILE}):
            shutil.copyfile(base / name, part / name)
        _write_graph(base / ENCODER_FILE, part / ENCODER_FILE, head)
        if trained_card_problem(card) is None:  # weights of another network do not contain the head
            _write_weights(base / WEIGHTS_FILE, part / WEIGHTS_FILE, head)
        head.save(part / HEAD_FILE)
        _check_parity(part / ENCODER_FILE, card, head, examples)
        changed = _card(part, card, facts, head.dimension)
        write_card(part, changed)
        read_card(part)
        move_into_place(part, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return changed


def _write_graph(source: Path, target: Path, head: Head) -> None:
    model = onnx.load(source, load_external_data=False)  # its data files are copied as they are
    target.write_bytes(with_head(model, head).SerializeToString(deterministic=True))


def _write_weights(source: Path, target: Path, head: Head) -> None:
    tensors = load_file(source)
    if _WEIGHT not in tensors or tensors[_WEIGHT].shape != head.weight.shape or tensors[_BIAS].shape != head.bias.shape:
        raise BundleError(
            f"{source}: the shape of {_WEIGHT} differs from the head's, {head.weight.shape}; copy the bundle again"
        )
    save_file({**tensors, _WEIGHT: head.weight, _BIAS: head.bias}, target)
    target.chmod(0o644)  # safetensors creates private files, but other users may read a bundle


def _check_parity(path: Path, card: ModelCard, head: Head, examples: NDArray[np.uint8] | None) -> None:
    shape = (_EXAMPLES, card.input_size, card.input_size, len(card.bands))
    if examples is None or len(examples) == 0:
        examples = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = OnnxEncoder(path, card.scaling.mean, card.scaling.std, threads=1)(examples[:_EXAMPLES], (EMBEDDING, FEATURE))
    largest = float(np.abs(found[EMBEDDING] - head.project(found[FEATURE])).max())
    if not largest <= TOLERANCE:
        raise ParityError(f"{path.name}: {EMBEDDING!r} differs from the head's by {largest:.2g}, more than {TOLERANCE:.2g}")


def _card(part: Path, base: ModelCard, facts: HeadFacts, dimension: int) -> ModelCard:
    """The base's card with what changed; all that training records, if the base's card has it."""
    known = tuple(each for each in recorded_terms(base).training_sets if each.name != facts.labels_from.name)
    sets = (*known, facts.labels_from)
    unlisted = "" if known or not base.training_data else f"{base.training_data}; "
    changes = {
        "id": facts.id,
        "title": facts.title,
        "description": facts.description,
        "training_sets": [each.model_dump() for each in sets],
        "training_data": unlisted + describe_data(sets),
        "supersedes": (),
        "dimension": dimension,
        "metrics": {name: each.model_dump() for name, each in facts.metrics.items()},
        "code_version": code_version(),
        "matcher": None if base.matcher is None else _matcher_fields(base.matcher, facts),
        "ranking": _ranking_fields(base, facts),
        "base": base.id,
        "head": dict(facts.training),
        "encoder_digest": encoder_digest(base),
        "pair_digest": base.pair_digest or (base.encoder_identity if base.matcher is not None else None),
        "files": {path.name: sha256(path) for path in sorted(part.iterdir())},
    }
    kind = TrainedCard if trained_card_problem(base) is None else ModelCard
    try:
        return kind.model_validate({**base.model_dump(exclude_unset=True), **changes})
    except ValidationError as error:
        raise BundleError(f"the new card's {first_problem(error)}") from None


def _matcher_fields(base: MatcherCard, facts: HeadFacts) -> dict[str, Any]:
    return learned_matcher(base, facts.fusion, facts.calibration).model_dump(exclude_unset=True)


def _ranking_fields(base: ModelCard, facts: HeadFacts) -> dict[str, Any] | None:
    """The new ranking or the base's; None with a matcher, as the base's is calibrated for another embedding."""
    if facts.ranking is not None:
        return dict(facts.ranking)
    return None if base.matcher is not None or base.ranking is None else base.ranking.model_dump(exclude_unset=True)
