"""Networks that encode a tile to an embedding, a pooled feature and the spatial map that matchers use.

`registry.build_encoder` builds any of them by name; nothing is downloaded.
"""
