"""Networks that turn a tile into an embedding, a pooled feature and the spatial map that matchers look at.

`registry.build_encoder` makes any of them by name; nothing is imported or downloaded before it is asked for.
"""
