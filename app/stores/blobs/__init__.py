"""Blobs (bytes with a key) in a local folder or an object store."""
