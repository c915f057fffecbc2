"""A client of Dyad for programs and notebooks: `from app.client import Dyad`. docs/client.md is its tutorial."""

from app.client.asynchronous import AsyncDyad
from app.client.errors import ApiError, JobFailed
from app.client.results import Result, Results
from app.client.synchronous import Dyad

__all__ = ["ApiError", "AsyncDyad", "Dyad", "JobFailed", "Result", "Results"]
