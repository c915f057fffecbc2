"""Schedules, and the sync of a collection with its sources. Entry points: `schedules.ScheduleService` and `sync.SyncService`.

Called by the API, and by `app.queue.ticker` or Celery beat; it calls `ingest`, `reindex` and `catalogue`.
"""
