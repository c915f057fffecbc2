"""The job queue of a cluster: Celery settings, the client that sends tasks, leases, reconciliation."""
