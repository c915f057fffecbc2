"""Trains and evaluates models of collections in child processes. Entry points: `TrainingService` and `EvaluationService`.

Called by the API and the command line; it calls `catalogue` and `jobs`, and re-indexing through the container.
"""
