"""Query expansion: a query becomes the weighted mean of itself and its nearest items, and all items are ranked again.

Average query expansion of Chum et al. 2007 with the weights of Radenovic et al. 2018 (arXiv 1711.02512): item i of similarity
s_i has the weight max(s_i, 0)^power. The residual-dyad paper names query expansion as future work.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import CHUNK, Embeddings, Indices, nearest

POWER = 3.0


def expand_queries(
    queries: Embeddings,
    database: Embeddings,
    count: int,
    *,
    own: Indices | None = None,
    power: float = POWER,
    chunk: int = CHUNK,
) -> NDArray[np.float32]:
    """(Q, D) float32, L2-normalised: the expanded queries.

    queries: (Q, D), database: (N, D), both L2-normalised. count: number of nearest items that join each query. own: (Q,), the
    row of the database that each query is, which does not join it; None: the queries are not in the database. power: 0 gives
    all items the weight of the query.

    Raises:
        EvaluationError: count or power is out of range, shapes do not fit, or a value is not finite.
    """
    if count < 1 or power < 0:
        raise EvaluationError(f"query expansion needs at least 1 item and a power of at least 0, not {count} and {power}")
    found = nearest(queries, database, count, own=own, chunk=chunk)
    weights = np.maximum(found.similarities, 0).astype(np.float32) ** np.float32(power)
    total = queries.astype(np.float32)
    for place in range(found.indices.shape[1]):
        total = np.asarray(total + weights[:, place, np.newaxis] * database[found.indices[:, place]], np.float32)
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float32)
