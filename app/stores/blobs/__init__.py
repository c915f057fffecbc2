"""Bytes by key in a local folder or an object store."""
