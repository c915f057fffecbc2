"""Errors of the client."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """The service refused a request. status: of the answer. request: method and path. problem: the problem document, or {}."""

    def __init__(self, status: int, request: str, problem: dict[str, Any]) -> None:
        unknown = f"the answer to {request} is not of a Dyad service; check its URL"
        super().__init__(f"{status}: {problem.get('detail') or unknown}")
        self.status = status
        self.request = request
        self.problem = problem


class JobFailed(Exception):
    """A job failed or was dismissed. job: its status document."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(f"job {job['id']} {job['status']}: {job['message']}")
        self.job = job
