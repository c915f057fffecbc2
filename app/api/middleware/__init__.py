"""ASGI middleware: access, request limits, host check, security headers, request IDs, metrics."""
