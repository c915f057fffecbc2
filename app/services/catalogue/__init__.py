"""What exists: collections, their index versions, tiles and models. Face: `collections.CollectionService`.

Every other service may call it; it calls `jobs` only.
"""
