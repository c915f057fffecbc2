"""Documents of collections, items, indexes and models."""
