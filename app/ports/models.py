"""Models and their storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.models import ModelEntry
from app.domain.tiles import Embeddings
from models.bundle.card import ModelCard

MODELS_LOCK = "models"
"""Held while a model is added or deleted, and while something that needs a model is made."""


class Inference(Protocol):
    """A model that embeds tiles and, if its card has a `matcher`, compares pairs of tiles."""

    @property
    def card(self) -> ModelCard:
        """Its inputs and outputs."""

    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        """Embed a batch.

        tiles: (N, S, S, B) uint8, S the card's input size, B its number of bands in their order; N >= 1.
        """

    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32] | None:
        """(N, D) float32 embeddings of (N, F) features that this model's encoder computed, without any image; None if its
        embedding is not a linear function of the feature, or its bundle has no head file.

        Raises:
            ModelMismatch: features of another width.
        """

    def examine(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, NDArray[np.float32] | None]:
        """`embed`, and in the same pass the (N, P) float32 query features of these tiles for the matcher; None without one."""

    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compare one tile with M candidates, in one run.

        query: (P,) float32 query features, from `examine`. candidates: (M, P) uint8 candidate features, from `Embeddings.pair`;
        M >= 0.

        Returns (M,) float32, the log-odds that each pair is a match, finite.

        Raises:
            ModelMismatch: the model has no matcher, or features of another length.
        """

    def places(
        self, query: NDArray[np.float32], candidates: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Where one tile and M candidates match; the arguments are those of `log_odds`.

        Returns two (M, h, w) float32 grids in 0..1: how well each place of the query, and each place of the candidate, is
        matched by the other tile; None if the model has no matcher, or one that does not compare places.

        Raises:
            ModelMismatch: features of another length.
        """

    def close(self) -> None:
        """Release everything."""


class ModelProvider(Protocol):
    """The available models. Every thread sees an added or deleted model at once."""

    def cards(self) -> list[ModelCard]:
        """Cards of all models, the default first."""

    def entries(self) -> list[ModelEntry]:
        """All models with their origin and size, the default first."""

    def load(self, model_id: str) -> Inference:
        """The model, loaded once and shared.

        Raises:
            NotFound: no such model. InvalidBundle: its bundle is not valid.
        """

    def add(self, folder: Path) -> tuple[ModelCard, bool]:
        """Add a finished bundle, all of it or nothing; returns its card, and whether it is new (False: it was added before).

        The folder is moved, or left where it is if the same bundle was added before.

        Raises:
            InvalidBundle: it is not valid. Conflict: another model has its id. OutOfSpace: the disk is full.
        """

    def add_zip(self, archive: Path, max_bytes: int) -> tuple[ModelCard, bool]:
        """Add the bundle in an untrusted zip, as `add`. The zip stays where it is.

        max_bytes: limit of the unpacked size of all its files.

        Raises:
            InvalidBundle, Conflict, OutOfSpace: as `add`. TooLarge: more than `max_bytes`, or too many files.
        """

    def zipped(self, model_id: str) -> Iterator[bytes]:
        """The bundle of a model as a zip, in chunks; the same bytes every time.

        Raises:
            NotFound: no such model, or one without a bundle. InvalidBundle: its bundle is not valid.
        """

    def copy(self, model_id: str, target: Path) -> Path:
        """Copy the bundle of a model into the new folder `target`; returns the copy, which is named after the model.

        Raises:
            NotFound: no such model, or one without a bundle. InvalidBundle: its bundle is not valid. OutOfSpace: a full disk.
        """

    def set_default(self, model_id: str) -> None:
        """Make a model the default, durably.

        Raises:
            NotFound: no such model.
        """

    def remove(self, model_id: str) -> None:
        """Delete an added bundle, even an invalid one, and release the model; calls that use it may finish.

        Raises:
            NotFound: no such model. Forbidden: it ships with Dyad.
        """
