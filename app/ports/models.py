"""Models, and where they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.cards import ModelCard, ModelEntry
from app.domain.tiles import Embeddings

MODELS_LOCK = "models"
"""Held by whoever adds or deletes a model, and by whoever makes something that needs one."""


class Inference(Protocol):
    """A model that embeds tiles and, where its card has a `matcher`, compares pairs of them."""

    @property
    def card(self) -> ModelCard:
        """What it expects and makes."""

    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        """Embed a batch.

        tiles: (N, S, S, B) uint8, S the card's input size, B its number of bands in their order; N >= 1.
        """

    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32] | None:
        """(N, D) float32 embeddings of (N, F) features that this model's encoder made, without any image; None where its
        embedding does not come apart so.

        Raises:
            ModelMismatch: features of another width.
        """

    def examine(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, NDArray[np.float32] | None]:
        """`embed`, and in the same pass the (N, P) float32 halves with which these tiles ask the matcher; None without one."""

    def log_odds(self, half: NDArray[np.float32], pairs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compare one tile with M candidates, in one run.

        half: (P,) float32, from `examine`. pairs: (M, P) uint8, the candidates' `Embeddings.pair`; M >= 0.

        Returns (M,) float32, the log-odds of each pair's being a match, finite.

        Raises:
            ModelMismatch: the model has no matcher, or takes other halves.
        """

    def close(self) -> None:
        """Release everything."""


class ModelProvider(Protocol):
    """The models at hand. What comes or goes shows at once, to every thread."""

    def cards(self) -> list[ModelCard]:
        """Cards of all models, the default first."""

    def entries(self) -> list[ModelEntry]:
        """All models with where they come from and their size, the default first."""

    def load(self, model_id: str) -> Inference:
        """The model, loaded once and shared.

        Raises:
            NotFound: no such model. InvalidBundle: its bundle does not fit.
        """

    def add(self, folder: Path) -> tuple[ModelCard, bool]:
        """Take over a finished bundle, all of it or nothing; its card, and whether it is new (False: it was there already).

        The folder is moved, or left where it is if the very same bundle is there.

        Raises:
            InvalidBundle: it does not fit. Conflict: another model has its id. OutOfSpace: the disk is full.
        """

    def add_zip(self, archive: Path, max_bytes: int) -> tuple[ModelCard, bool]:
        """Take over the bundle in a zip, from whomever it comes; as `add`. The zip stays where it is.

        max_bytes: of all its files together, as they come out.

        Raises:
            InvalidBundle, Conflict, OutOfSpace: as `add`. TooLarge: more than `max_bytes`, or too many files.
        """

    def zipped(self, model_id: str) -> Iterator[bytes]:
        """The bundle of a model as a zip, in pieces; the same bytes every time.

        Raises:
            NotFound: no such model, or one without a bundle. InvalidBundle: its bundle does not fit.
        """

    def copy(self, model_id: str, target: Path) -> Path:
        """Copy the bundle of a model into the new folder `target`, for a program of its own; the copy, named after the model.

        Raises:
            NotFound: no such model, or one without a bundle. InvalidBundle: its bundle does not fit. OutOfSpace.
        """

    def set_default(self, model_id: str) -> None:
        """Make a model the default, durably.

        Raises:
            NotFound: no such model.
        """

    def remove(self, model_id: str) -> None:
        """Delete an added bundle, one that does not fit included, and release the model; whoever works with it may finish.

        Raises:
            NotFound: no such model. Forbidden: it comes with Dyad.
        """
