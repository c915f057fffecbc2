"""The embedded job queue: worker threads, child processes and the clock of schedules."""
