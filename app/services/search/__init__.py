"""Search by examples: query embedding, ranking, re-ranking, near copies, pages. Face: `search.SearchService`.

Called by the API; `reindex` reads the recent queries.
"""
