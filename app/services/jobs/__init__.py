"""Jobs, their working folders, processes and the progress of parts of a job. Entry points: `JobService`, `ProcessService`.

Called by the API and by every other service; it calls none of them.
"""
