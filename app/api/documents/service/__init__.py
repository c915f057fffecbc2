"""Documents of the service, its processes and jobs."""
