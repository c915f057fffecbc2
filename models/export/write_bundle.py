"""Write a bundle, all of it or nothing, and read its networks back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from models.backbones.encoder import Encoder
from models.bundle.code_version import code_version
from models.bundle.errors import BundleError
from models.bundle.files import ENCODER_FILE, WEIGHTS_FILE
from models.bundle.runtime import normalised
from models.bundle.trained_card import Facts, Int8Report, Stored, TrainedCard, TrainedMatcher, describe_data
from models.bundle.verify import read_trained_card, sha256
from models.bundle.writing import check_json, move_into_place, write_card
from models.export.onnx_graphs import EXAMPLES, QuantisedMatcher, export_encoder, export_matcher
from models.export.quantise import Int8, quantise_encoder
from models.export.weights import Precision, at_precision, load_encoder, load_matcher, save_weights
from models.matcher.kinds import PairNetwork
from models.matcher.quantise import Quantisation

_FLOAT_FILE = "encoder.float32.onnx"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A matcher to write into a bundle.

    stored: quantisation of the candidate features to bytes. calibration, fusion: fields of the card, None if not learned.
    """

    network: PairNetwork
    stored: Quantisation
    calibration: Mapping[str, Any] | None = None
    fusion: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """The networks of a bundle, in float32 and evaluation mode, on the CPU."""

    card: TrainedCard
    encoder: Encoder
    matcher: Matcher | None


def write_bundle(
    folder: Path,
    encoder: Encoder,
    facts: Facts,
    *,
    matcher: Matcher | None = None,
    int8: Int8 | None = None,
    weights: Precision = "float32",
) -> TrainedCard:
    """Write a bundle to `folder`, which must not exist and is named after `facts.id`; returns its card.

    The networks are copied, not changed. Everything is written next to the folder first and moved there after it was checked,
    so that a folder of that name is always a complete bundle.

    int8: quantises the encoder's graph, within the allowed loss. weights: precision of the file. The graphs are exported
    from the weights as they are in the file, and the int8 loss is measured against these.

    Raises:
        BundleError: the folder exists or has another name, or facts and networks contradict each other.
        ParityError: a graph and its network differ by more than 1e-4. AccuracyError: int8 loses too much.
    """
    if folder.name != facts.id:
        raise BundleError(f"{folder}: a bundle's folder is named after its model; call it {facts.id!r}")
    if folder.exists() or folder.is_symlink():
        raise BundleError(f"{folder} exists; choose another id, or remove it first")
    if encoder.bands != len(facts.bands):
        raise BundleError(f"the encoder takes {encoder.bands} bands, but {', '.join(facts.bands)} are named")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A model's id never begins with a dot, so the incomplete folder is not taken for a bundle.
    scratch = Path(tempfile.mkdtemp(prefix=f".{facts.id}.", dir=folder.parent))
    try:
        part = scratch / facts.id
        part.mkdir()
        card = _write(part, encoder, facts, matcher, int8, weights)
        read_trained_card(part)
        move_into_place(part, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return card


def read_bundle(folder: Path) -> Bundle:
    """A bundle's card and networks, all files checked.

    Raises:
        BundleError: it is not valid, was not written by training, or its weights do not match the networks of its card.
    """
    card = read_trained_card(folder)
    path = folder / WEIGHTS_FILE
    encoder = load_encoder(path, card.encoder, bands=len(card.bands), dimension=card.dimension)
    if card.matcher is None:
        return Bundle(card, encoder, None)
    stored = Quantisation(card.matcher.stored.low, card.matcher.stored.scale)
    learned = card.matcher.model_dump(include={"calibration", "fusion"}, exclude_unset=True)
    matcher = Matcher(load_matcher(path, card.matcher), stored, learned.get("calibration"), learned.get("fusion"))
    return Bundle(card, encoder, matcher)


def _write(
    part: Path, encoder: Encoder, facts: Facts, matcher: Matcher | None, int8: Int8 | None, weights: Precision
) -> TrainedCard:
    check_json(facts)  # before the graphs are exported, which takes long
    encoder = at_precision(encoder, weights)
    network = None if matcher is None else at_precision(matcher.network, weights)
    matcher_facts = None if matcher is None else _matcher_facts(matcher)
    path = part / WEIGHTS_FILE
    save_weights(path, encoder, network, weights)
    load_encoder(path, facts.encoder, bands=encoder.bands, dimension=encoder.dimension)
    if matcher_facts is not None:
        load_matcher(path, matcher_facts)
    quantised = None if matcher is None or network is None else QuantisedMatcher(network, matcher.stored)
    report = _write_encoder(part, encoder, facts, quantised, int8)
    if quantised is not None:
        export_matcher(part, quantised)
    card = TrainedCard(
        **dict(facts),
        dimension=encoder.dimension,
        feature_dimension=encoder.feature_dimension,
        pair_dimension=0 if network is None else network.pair_dimension,
        training_data=describe_data(facts.training_sets),
        code_version=code_version(),
        precision="float32" if report is None else "int8",
        int8=report,
        weights=weights,
        matcher=matcher_facts,
        files={path.name: sha256(path) for path in sorted(part.iterdir())},
    )
    write_card(part, card)
    return card


def _write_encoder(
    part: Path, encoder: Encoder, facts: Facts, matcher: QuantisedMatcher | None, int8: Int8 | None
) -> Int8Report | None:
    if int8 is None:
        export_encoder(part / ENCODER_FILE, encoder, facts.input_size, matcher=matcher)
        return None
    plain = part / _FLOAT_FILE
    export_encoder(plain, encoder, facts.input_size, matcher=matcher, examples=_examples(int8.tiles, facts))
    report = quantise_encoder(plain, part / ENCODER_FILE, facts.normalisation, int8)
    plain.unlink()
    return report


def _examples(tiles: NDArray[np.uint8], facts: Facts) -> Tensor | None:
    """A few real tiles to compare graph and network on; None if their shape is wrong, which calibration reports."""
    if tiles.ndim != 4 or tiles.shape[1:] != (facts.input_size, facts.input_size, len(facts.bands)) or len(tiles) < 2:
        return None
    return torch.from_numpy(normalised(tiles[:EXAMPLES], facts.normalisation.mean, facts.normalisation.std))


def _matcher_facts(matcher: Matcher) -> TrainedMatcher:
    network = matcher.network
    try:
        facts = TrainedMatcher(
            block=network.block,
            hidden=network.hidden,
            head=network.head,
            map_shape=network.map_shape,
            half_shape=network.half_shape,
            stored=Stored(**asdict(matcher.stored)),
            calibration=None if matcher.calibration is None else dict(matcher.calibration),
            fusion=None if matcher.fusion is None else dict(matcher.fusion),
        )
    except ValidationError as error:
        raise BundleError(f"matcher: {error.errors()[0]['msg']}") from None
    check_json(facts)
    return facts
