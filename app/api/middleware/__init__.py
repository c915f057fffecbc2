"""ASGI middleware: access, request limits, host check, security headers, request ids, metrics."""
