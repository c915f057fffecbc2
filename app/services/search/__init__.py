"""Search by examples: query embedding, ranking, re-ranking, near-copies, pages. Entry point: `search.SearchService`.

Called by the API and the command line; `reindex` and `backup` read the recent queries. It calls `catalogue`.
"""
