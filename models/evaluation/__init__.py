"""Evaluation of retrieval and classification. Free of torch, so that the service can use it."""
