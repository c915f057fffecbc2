"""Adapters that keep state: vectors, blobs, jobs, and the state folder itself."""
