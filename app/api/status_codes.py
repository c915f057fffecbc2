"""HTTP status of each error of the application. The client maps it back, so this module imports nothing of FastAPI."""

from __future__ import annotations

from app import errors

STATUS: dict[type[errors.DyadError], int] = {
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Outdated: 412,
    errors.TooLarge: 413,
    errors.UnreadableImage: 415,
    errors.Unprocessable: 422,
    errors.InvalidBundle: 422,
    errors.Unavailable: 503,
}


def status_of(error: errors.DyadError) -> int:
    """The status of the first class in the error's hierarchy that `STATUS` contains; 500 if none."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
