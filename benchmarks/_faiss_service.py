"""A search service of FastAPI and faiss, as short as anybody would write it: the peer of `bench_search.py`.

python benchmarks/_faiss_service.py VECTORS.npy PLACES.npy PORT
"""

from __future__ import annotations

import sys
from typing import Any

import faiss
import numpy as np
import uvicorn
from fastapi import FastAPI

app = FastAPI()
vectors = np.load(sys.argv[1])
places = np.load(sys.argv[2])
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(vectors)


@app.get("/search")
def search(item: int, limit: int = 10, bbox: str = "") -> dict[str, Any]:
    """The tiles most similar to a tile, in a box in degrees if one is given: ids and similarities."""
    inside = None
    if bbox:
        west, south, east, north = map(float, bbox.split(","))
        x, y = places.T
        rows = np.flatnonzero((x >= west) & (x <= east) & (y >= south) & (y <= north))
        inside = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))
    scores, found = index.search(vectors[item : item + 1], limit + 1, params=inside)
    pairs = zip(found[0].tolist(), scores[0].tolist(), strict=True)
    return {"items": [{"id": row, "similarity": score} for row, score in pairs if row not in (item, -1)][:limit]}


uvicorn.run(app, port=int(sys.argv[3]), log_level="warning")
