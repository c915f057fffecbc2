"""Evaluation reports: plots, pictures and an HTML page."""
