"""Schedules, and the sync of a collection with its sources. Face: `schedules.ScheduleService`.

Called by the API and by the clock (`app.queue.ticker`, or beat in a cluster).
"""
