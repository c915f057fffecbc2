"""How commands reach Dyad: a running service over HTTP, or the application in this process."""
