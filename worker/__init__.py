"""Celery workers: application, tasks, process set-up, PyTorch inference."""
