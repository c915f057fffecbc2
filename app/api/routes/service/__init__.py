"""The service itself: landing page, sessions, processes and jobs."""
