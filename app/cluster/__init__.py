"""Everything that only a cluster needs: Redis, Celery, remote inference, shared models.

`app.adapters` and `worker` may import it; an embedded service never loads it. docs/cluster-internals.md explains it.
"""
