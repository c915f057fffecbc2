"""The files of an ingest, before they are read: where they come from, what may be read, what was sent with them."""
