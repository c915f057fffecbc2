"""Routes, one module per resource, in rooms by area.

A module defines `router` and `CONFORMANCE`, the conformance classes that its routes implement. Every route declares the role
that it needs (`app.api.access`).

To add an endpoint, edit four files: a module here, in the room of its area, the module of `app.api.documents` with its bodies,
a test in `tests/app/api`, and the documentation. The application, the access rules, `/conformance` and `/openapi.json` read the
rest from the routes module.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

_FREQUENT = ("search", "items", "map_tiles")


def _order(name: str) -> tuple[bool, str]:
    own = name.rpartition(".")[2]
    return own not in _FREQUENT, own


_NAMES = sorted((found.name for found in walk_packages(__path__, f"{__name__}.") if not found.ispkg), key=_order)
MODULES: tuple[ModuleType, ...] = tuple(import_module(name) for name in _NAMES)
"""All modules of this package by name, those with the most requests first: the router tries routes in this order."""
