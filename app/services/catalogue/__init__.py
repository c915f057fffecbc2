"""Collections, index versions, tiles and models. Entry points: `CollectionService`, `Indexes`, `ItemService`, `ModelService`.

Called by the API, the command line and every service except `jobs`; it calls only `jobs`.
"""
