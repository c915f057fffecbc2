"""Heads that leave out some labelled tiles, fitted as a trained head was: they embed tiles whose labels they did not learn."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.held_out import is_held_out
from app.errors import InvalidBundle, NotFound
from app.ports import JobContext, RunChild
from app.services.catalogue.models import ModelService
from models.bundle.card import ModelCard
from models.bundle.files import LEARNED_FILE
from models.bundle.trained_card import training_record

PROGRAM = "models.heads.evaluation.fold_heads"
LEFT_OUT, LEARNED, UNLABELLED = 0, 1, 2
"""Use of a labelled tile in a fit."""
FEWEST_TILES = 2
"""Minimum number of learned tiles per label, as in the training of a head."""
BATCH = 4096


@dataclass(frozen=True, slots=True)
class FoldExamples:
    """What heads are fitted to. features: (N, F) float16. labels: (N, C) bool. unlabelled: rows of unlabelled examples.

    uses: (S, K, N) uint8, the use of each labelled tile in each of K fits, for each of the S heads of a lineage.
    """

    features: NDArray[np.float16]
    labels: NDArray[np.bool_]
    unlabelled: NDArray[np.intp]
    uses: NDArray[np.uint8]


def learned_from(card: ModelCard, collection_id: str) -> bool:
    """Whether a model was trained on the labels of a collection."""
    return collection_id in {each.name for each in training_record(card).training_sets}


class FoldHeads:
    """Fits heads in a child process."""

    def __init__(self, models: ModelService, run_child: RunChild) -> None:
        self._models = models
        self._run_child = run_child

    def lineage(self, card: ModelCard, collection_id: str) -> list[ModelCard] | None:
        """The cards from the newest model that did not learn from the collection's labels to `card`; None unless all others
        are heads, and all are installed.
        """
        found = [card]
        while learned_from(found[0], collection_id):
            fields = found[0].model_dump()
            if not fields.get("head") or not fields.get("base") or len(found) > len(self._models.cards()):
                return None
            try:
                found.insert(0, self._models.card(fields["base"]))
            except NotFound:
                return None
        return found

    def learned_tiles(self, card: ModelCard, ids: Sequence[str], folder: Path) -> NDArray[np.bool_]:
        """(N,) bool: the tiles whose labels a head learned; for a bundle of an older version, all that are not held out."""
        if LEARNED_FILE not in card.files:
            return np.array([not is_held_out(item) for item in ids], np.bool_)
        folder.mkdir(parents=True, exist_ok=True)
        path = self._models.copy_bundle(card.id, folder / "learned") / LEARNED_FILE
        try:
            known = {row.tobytes() for row in np.load(path)}
        except (OSError, ValueError, EOFError) as error:
            raise InvalidBundle(f"model {card.id!r}: {LEARNED_FILE} cannot be read: {error}") from None
        return np.array([uuid.UUID(item).bytes in known for item in ids], np.bool_)

    def fit(
        self, lineage: Sequence[ModelCard], examples: FoldExamples, folder: Path, context: JobContext
    ) -> list[NDArray[np.float32]]:
        """(N, D) embeddings of all tiles by each of the K heads that end the lineage.

        Raises:
            Cancelled, Interrupted: the job has to stop. DyadError: the program failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        steps = [card.model_dump()["head"] for card in lineage[1:]]
        base = self._models.copy_bundle(lineage[0].id, folder / "base")
        rows = np.flatnonzero(examples.labels.any(axis=1))
        uses = examples.uses[:, :, rows]
        counts = examples.labels[rows][(uses == LEARNED).any(axis=(0, 1))].sum(axis=0)
        np.save(folder / "labelled.npy", examples.features[rows])
        np.save(folder / "targets.npy", examples.labels[rows][:, counts >= FEWEST_TILES])
        np.save(folder / "unlabelled.npy", examples.features[examples.unlabelled])
        np.save(folder / "uses.npy", uses)
        request = {
            "base": str(base),
            "steps": [{"recipe": step["recipe"], "rounds": step["rounds"]} for step in steps],
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        self._run_child(context, PROGRAM, [str(folder)], folder=folder)
        with np.load(folder / "heads.npz") as heads:
            weights, biases = heads["weight"][-1], heads["bias"][-1]
        return [_project(examples.features, weight, bias) for weight, bias in zip(weights, biases, strict=True)]


def _project(features: NDArray[np.float16], weight: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) float32, L2-normalised."""
    made = np.empty((len(features), len(weight)), np.float32)
    for start in range(0, len(features), BATCH):
        part = features[start : start + BATCH].astype(np.float32) @ weight.T + bias
        made[start : start + BATCH] = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), np.float32(1e-12))
    return made
