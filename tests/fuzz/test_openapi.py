"""Every operation of the OpenAPI document, with valid and invalid inputs: no server error, and every response as documented.

Runs against a service without keys and one with keys of every role, invalid keys, or none. The cases are few and always the
same, unless `DYAD_TEST_FUZZ_CASES` sets their number (`make fuzz`); then they differ each time.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from app.domain.keys import Role
from app.domain.models import DEFAULT_MODEL
from app.stores.key_file import add_key
from tests.fuzz.seasoning import PICTURE, WORDS, Seasoning, drawn
from tests.support.pictures import striped
from tests.support.service import Service, document, running_service

CASES = int(os.environ.get("DYAD_TEST_FUZZ_CASES", "0"))
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
KEPT, SPARE = "kept", "spare"
"""Two collections: one that is never deleted, and one that may be."""
TILES = 12
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def read_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the service may read."""
    root = tmp_path_factory.mktemp("root")
    (root / "one.png").write_bytes(PICTURE)
    (root / "broken.tif").write_bytes(b"II*\x00")
    return root


@pytest.fixture(scope="module", params=["open", "guarded"])
def keys(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The keys of the service by role, and the key file; empty for the service without keys."""
    if request.param == "open":
        return {}
    file = tmp_path_factory.mktemp("keys") / "keys"
    return {role.value: add_key(file, role.value, role) for role in Role} | {"file": str(file)}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory, read_root: Path, keys: dict[str, str]) -> Iterator[Service]:
    """A service with two collections of labelled tiles and the jobs that made them."""
    limits = {"max_upload_mb": 8, "max_pixels": 1_000_000, "api_keys_file": keys.get("file")}
    with running_service(tmp_path_factory.mktemp("home"), read_roots=(str(read_root),), **limits) as running:
        if keys:
            running.client.headers["Authorization"] = f"Bearer {keys['admin']}"
        for name in (KEPT, SPARE):
            running.create(name, model="hog", tile_size=64)
            files = {f"{number}.png": striped(number * 20, size=64) for number in range(TILES)}
            running.upload(name, files, {file: _said(number) for number, file in enumerate(files)})
        yield running


def _said(number: int) -> dict[str, Any]:
    place = [number, 10, number + 0.1, 10.1]
    return {"labels": [f"label-{number % 2}"], "bbox": place, "datetime": f"2024-05-{number + 1:02}T10:00:00Z"}


@pytest.fixture(scope="module")
def described(fuzzed: Service, read_root: Path, keys: dict[str, str]) -> Any:
    """The schema under test, with meaningful values in its cases."""
    items = [feature["id"] for feature in document(fuzzed.client.get(f"/collections/{KEPT}/items?limit=100"))["features"]]
    jobs = [job["id"] for job in document(fuzzed.client.get("/jobs"))["jobs"]]
    page = document(fuzzed.client.post(f"/collections/{KEPT}/search", json={"positives": items[:1], "limit": 1}))
    seasoning = Seasoning(
        {
            "collection_id": [*[KEPT] * 7, SPARE],
            "collection": [KEPT, KEPT, SPARE, "none"],
            "id": ["new-1", "new-2", KEPT],
            "item_id": [*items, UNKNOWN],
            "item": items,
            "ids": [",".join(items[:2]), items[:2], UNKNOWN, "x"],
            "positives": [items[:1], items[:3], [UNKNOWN], ["x"], [items[0].upper()]],
            "negatives": [items[3:5], items[:1], []],
            "token": [*WORDS["token"], page["links"][-1]["body"]["token"], jobs[0]],
            "job_id": jobs,
            "model_id": ["hog", "lbp-rgb", DEFAULT_MODEL],
            "process_id": ["train", "evaluate", "reindex"],
            "inputs": [
                {"collection": KEPT},
                {"collection": SPARE, "force": True},
                {"collection": KEPT, "settings": {"epochs": -1}},
            ],
            "sources": [[str(read_root)], [f"{read_root}/**/*.png"], ["/etc"], [{"stac": f"{read_root}/one.png"}], ["[" * 50]],
            "href": [*WORDS["href"], str(read_root), f"{read_root}/broken.tif"],
        }
    )
    schema = schemathesis.openapi.from_url(f"{fuzzed.client.base_url}/openapi.json")

    @schema.hook
    def map_case(context: Any, case: Any) -> Any:
        case = seasoning.add(case)
        if case.method == "DELETE" and (case.path_parameters or {}).get("collection_id") == KEPT:
            case.path_parameters["collection_id"] = SPARE
        if keys:
            case.headers = _with_key(case, keys)
        return case

    return schema


def _with_key(case: Any, keys: dict[str, str]) -> dict[str, str]:
    """The headers of a case with a key, mostly of the role admin; the same for the same case."""
    headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
    choices = [*["admin"] * 5, "write", "read", "wrong", "none"]
    chosen = choices[drawn(case.path, [case.path_parameters, case.query]) % len(choices)]
    return headers if chosen == "none" else {**headers, "Authorization": f"Bearer {keys.get(chosen, 'dyad_wrong')}"}


EACH = 25 if CASES else 3
"""Most cases of an operation and kind of data per round."""


@pytest.mark.timeout(600 + CASES // 4)
def test_every_answer_is_as_described(described: Any, keys: dict[str, str]) -> None:
    each = 1 if keys and not CASES else EACH
    load_all_checks()
    checks = CHECKS.get_by_names(list(CHECKED))
    operations = [found.ok() for found in described.get_all_operations()]
    statuses, wrong = Counter[int](), dict[str, str]()
    while True:
        for operation in operations:
            for mode in _modes(operation):
                error = _fuzz(operation, mode, checks, each, statuses)
                if error is not None:
                    wrong[f"{operation.label}, {mode.value} data"] = _told(error)
        if statuses.total() >= CASES or wrong:
            break
    failures = sum(count for status, count in statuses.items() if status >= 500)
    sys.stdout.write(f"{statuses.total()} requests, {failures} answers of 500 or above\n")
    assert not wrong, "\n\n".join(f"{name}:\n{told}" for name, told in wrong.items())


def _modes(operation: Any) -> list[GenerationMode]:
    """Invalid data needs a body or a query; in a path, any text is valid."""
    return list(GenerationMode) if operation.body or operation.query else [GenerationMode.POSITIVE]


def _fuzz(operation: Any, mode: GenerationMode, checks: Any, each: int, statuses: Counter[int]) -> BaseException | None:
    """Send cases of one operation; count the statuses of the answers, and return the failure."""

    @settings(
        max_examples=each,
        deadline=None,
        derandomize=not CASES,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=list(Phase) if CASES else [Phase.generate],
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call()
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, f"{answer.status_code}: {answer.text[:500]}; body {case.body!r:.500}"
        case.validate_response(answer, checks=checks)

    try:
        send()
    except Unsatisfiable:  # no invalid data is possible
        return None
    except (FailureGroup, AssertionError, OSError) as error:
        return error
    return None


def _told(error: BaseException) -> str:
    return "\n".join(str(each) for each in getattr(error, "exceptions", [error]))
