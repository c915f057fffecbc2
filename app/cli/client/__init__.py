"""The HTTP client of the commands: of a running service, or of the application in this process."""
