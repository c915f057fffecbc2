"""Jobs as clients see them, their working folders and the progress of their parts. Face: `jobs.JobService`.

The lowest room of the services: any of them may call it.
"""
