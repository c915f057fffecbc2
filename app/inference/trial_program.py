"""The child process of `bundle_trial`: `python -m app.inference.trial_program FOLDER BYTES SECONDS`.

It prints one line of JSON, `{"error": null}` or the reason why the bundle is refused.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from app.domain.tiles import Embeddings
from app.errors import InvalidBundle, ModelMismatch
from app.inference.bundle_trial import OUT_OF_MEMORY
from app.inference.bundles import check_bundle
from app.inference.onnx import OnnxInference

TILES = 2
PAIRS = 2
SHORTEST = 0.5
"""Least length of an embedding, which is 1 unless it cannot be normalised."""
_NO_MEMORY = ("failed to allocate", "bad allocation", "bad_alloc", "alloc_failed", "out of memory")


def main() -> None:
    """Try the bundle under the limits of the arguments."""
    folder, memory, seconds = sys.argv[1:]
    with suppress(ValueError, OSError):  # not every system has both limits
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    try:
        _try(Path(folder))
        error = None
    except (InvalidBundle, ModelMismatch) as reason:
        words = f"{reason} {reason.__cause__}".lower()
        error = OUT_OF_MEMORY if any(word in words for word in _NO_MEMORY) else str(reason)
    except MemoryError:
        error = OUT_OF_MEMORY
    sys.stdout.write(json.dumps({"error": error}) + "\n")


def _try(folder: Path) -> None:
    """Run everything that the service runs: the encoder, and both graphs of a matcher."""
    check_bundle(folder)
    model = OnnxInference(folder, 1)
    card = model.card
    shape = (TILES, card.input_size, card.input_size, len(card.bands))
    made, features = model.examine(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    _check_numbers(card.id, made)
    if features is not None and made.pair is not None:
        model.log_odds(features[0], made.pair[:PAIRS])


def _check_numbers(model_id: str, made: Embeddings) -> None:
    """Refuse a model whose embedding or feature cannot be stored. An embedding that is not finite was replaced by zeros."""
    if np.linalg.norm(made.embedding, axis=1).min() < SHORTEST:
        raise InvalidBundle(
            f"model {model_id!r}: the embedding of a test tile is zero or not finite; check its normalisation and its export"
        )
    if made.feature is not None and not np.isfinite(made.feature).all():
        raise InvalidBundle(
            f"model {model_id!r}: the feature of a test tile is not finite in float16 (at most 65504); scale it down"
        )


if __name__ == "__main__":
    main()
