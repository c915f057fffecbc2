"""Routes, one module per resource.

A module defines `router` and `CONFORMANCE`, the conformance classes that its routes implement. Every route declares the role
that it needs (`app.api.access`).

To add an endpoint, edit four files: a module here, the module of `app.api.documents` with its bodies, a test in
`tests/app/api`, and the documentation. The application, the access rules, `/conformance` and `/openapi.json` read the rest
from the routes module.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

MODULES: tuple[ModuleType, ...] = tuple(import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
"""All modules of this package, by name."""
