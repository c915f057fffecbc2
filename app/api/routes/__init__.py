"""Routes, one module per resource.

A module defines `router` and `CONFORMANCE`, the conformance classes that its routes implement. Every route declares the role
that it needs (`app.api.access`). `MODULES` lists the modules.

To add an endpoint, edit four files: the module here, the module of `app.api.documents` with its bodies, a test in `tests/app/api`,
and the documentation. The application, the access table, `/conformance` and `/openapi.json` read the rest from the routes module.
"""

from __future__ import annotations

from types import ModuleType

from app.api.routes import (
    collections,
    demo_scene,
    index_versions,
    items,
    jobs,
    labels,
    landing,
    models,
    processes,
    schedules,
    search,
    session,
)

MODULES: tuple[ModuleType, ...] = (
    landing,
    collections,
    index_versions,
    labels,
    items,
    search,
    schedules,
    jobs,
    processes,
    models,
    demo_scene,
    session,
)
