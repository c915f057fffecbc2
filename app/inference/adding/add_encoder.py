"""Makes a bundle of an ONNX encoder that Dyad did not train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import ValidationError

from app.errors import InvalidBundle
from app.inference.adding.external_data import collect_external_data
from app.inference.adding.graph_input import GraphInput, connect_input, find_input
from app.inference.adding.graph_output import (
    check_features,
    choose_output,
    connect_output,
    feature_scale,
    is_map_channels_last,
    pooled,
)
from app.inference.adding.graph_values import custom_domains, read_graph, rename_values
from app.inference.adding.request import EncoderRequest
from app.inference.adding.trial_run import run_trial, trial_tiles
from app.inference.bundles import as_invalid_bundle
from models.bundle.card import EmbeddingRanking, ModelCard, Normalisation, first_problem
from models.bundle.files import ENCODER_FILE, HEAD_FILE
from models.bundle.graphs import CANDIDATES, INPUT, MAP
from models.bundle.head_nodes import EMBEDDING, FEATURE
from models.bundle.verify import MAX_FILE_BYTES, sha256
from models.bundle.writing import write_card

NEIGHBOURS = 0.4
"""Weight of the overlap of neighbourhoods in the second stage of a search."""
_RESERVED = frozenset({INPUT, EMBEDDING, FEATURE, CANDIDATES, MAP, "head.weight", "head.bias", "head.projected"})
_RENAMED = "encoder."


@dataclass(frozen=True, slots=True)
class AddedEncoder:
    """A finished bundle. output: the encoder's output that is used; shape: its shape for one tile."""

    card: ModelCard
    output: str
    shape: tuple[int, ...]


def make_bundle(encoder: Path, request: EncoderRequest, folder: Path) -> AddedEncoder:
    """Write a bundle of an ONNX encoder into the new folder `folder`, after a trial on two tiles.

    Equal encoders and requests give equal bundles. After an error the caller removes the folder.

    Raises:
        InvalidBundle: the file is not an ONNX encoder, it contradicts the request, or it cannot be run; the message says how
            to correct it. Unavailable: the trial took more than a minute.
    """
    model = read_graph(encoder)
    found = find_input(model, request)
    card = _card(request, found)
    folder.mkdir()
    collect_external_data(model, encoder, folder)
    rename_values(model, _RESERVED, _RENAMED)
    connect_input(model, found, _inner(found.name), len(request.bands))
    arrays = _try(model, card, folder)
    output = choose_output(arrays, request)
    is_last = is_map_channels_last(arrays[output].shape, is_input=found.is_channels_last)
    features = pooled(arrays[output], request, is_channels_last=is_last)
    check_features(features, output)
    scale = feature_scale(features)
    connect_output(model, _inner(output), arrays[output], request, is_channels_last=is_last, scale=scale)
    _write_graph(model, folder)
    _write_head(folder / HEAD_FILE, features.shape[1])
    source = {"file": encoder.name, "sha256": sha256(encoder), "output": output, "feature_scale": scale}
    if arrays[output].ndim == 3:
        source["pooling"] = request.pooling
    width = features.shape[1]
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    card = card.model_copy(update={"dimension": width, "feature_dimension": width, "files": files, "source": source})
    with as_invalid_bundle():
        write_card(folder, card)
    return AddedEncoder(card, output, arrays[output].shape[1:])


def _card(request: EncoderRequest, found: GraphInput) -> ModelCard:
    """The card without what the trial finds."""
    count = len(request.bands)
    mean, std = request.mean or (0.0,), request.std or (1.0,)
    for name, values in (("--mean", mean), ("--std", std)):
        if len(values) not in (1, count):
            raise InvalidBundle(f"{name} has {len(values)} numbers for {count} bands; pass {count}, or one for all bands")
    try:
        return ModelCard(
            id=request.id,
            title=request.title or request.id,
            description=request.description,
            licence=request.licence,
            research_only=request.research_only,
            training_data=request.training_data,
            input_size=found.size,
            bands=request.bands,
            dimension=2,
            normalisation=Normalisation(
                mean=mean * (count // len(mean)),
                std=std * (count // len(std)),
            ),
            ranking=EmbeddingRanking(neighbours=NEIGHBOURS),
        )
    except ValidationError as error:
        raise InvalidBundle(first_problem(error)) from None


def _try(model: onnx.ModelProto, card: ModelCard, folder: Path) -> dict[str, NDArray[Any]]:
    """The encoder's outputs for the trial tiles, by their original names; fixes the batch size if it has to be."""
    _write_graph(model, folder)
    domains = custom_domains(model)
    try:
        made = run_trial(folder / ENCODER_FILE, card, trial_tiles(card))
    except InvalidBundle as error:
        if not domains:
            raise
        raise InvalidBundle(
            f"{error} (it uses operators of {', '.join(domains)}, which ONNX Runtime does not have; export the encoder with "
            "standard operators)"
        ) from None
    if made.batch is not None:
        first = model.graph.input[0].type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_value = made.batch
    return {_outer(name): array for name, array in made.outputs.items()}


def _inner(name: str) -> str:
    """The value's name in the graph of the bundle."""
    return _RENAMED + name if name in _RESERVED else name


def _outer(name: str) -> str:
    """The inverse of `_inner`."""
    original = name.removeprefix(_RENAMED)
    return original if original in _RESERVED else name


def _write_graph(model: onnx.ModelProto, folder: Path) -> None:
    if model.ByteSize() > MAX_FILE_BYTES - 1:
        raise InvalidBundle(
            f"the graph has more than {MAX_FILE_BYTES} bytes; export it with external data (onnx.save_model with "
            "save_as_external_data=True)"
        )
    (folder / ENCODER_FILE).write_bytes(model.SerializeToString(deterministic=True))


def _write_head(path: Path, width: int) -> None:
    """The head of a model that was not taught: it changes nothing."""
    with path.open("wb") as file:
        np.savez_compressed(file, weight=np.eye(width, dtype=np.float32), bias=np.zeros(width, np.float32))
