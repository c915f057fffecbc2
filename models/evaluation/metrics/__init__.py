"""Metrics of retrieval, classification, clustering and calibration."""
