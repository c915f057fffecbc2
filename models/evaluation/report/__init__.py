"""Evaluation reports: plots, pictures and one HTML page."""
