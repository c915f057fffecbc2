from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.papers.results import Cell, Context, Results


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(tmp_path, tmp_path, tmp_path, "small", lambda _: None)


class Counted:
    """Measures by counting how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, context: Context) -> Mapping[str, Any]:
        self.times += 1
        return {"value": self.times}


def test_a_cell_is_measured_once_for_the_same_settings(tmp_path: Path, context: Context) -> None:
    results, measure = Results(tmp_path / "figures", "small"), Counted()
    assert results.read("one") is None
    assert results.measure(Cell("one", {"epochs": 2}, measure), context)
    assert not results.measure(Cell("one", {"epochs": 2}, measure), context)
    assert results.read("one") == {"value": 1}
    assert results.measured() == ["one"]
    assert results.measure(Cell("one", {"epochs": 3}, measure), context)
    assert results.read("one") == {"value": 2}


def test_a_file_says_what_was_run_where_and_how_long(tmp_path: Path, context: Context) -> None:
    Results(tmp_path, "small").measure(Cell("one", {"sizes": (64, 96)}, Counted()), context)
    found = json.loads((tmp_path / "small" / "one.json").read_text())
    assert found["settings"] == {"sizes": [64, 96]}
    assert {"seconds", "code_version", "machine", "scale"} <= set(found)


def test_scales_are_kept_apart(tmp_path: Path, context: Context) -> None:
    Results(tmp_path, "small").measure(Cell("one", {}, Counted()), context)
    assert Results(tmp_path, "paper").read("one") is None


def test_a_cell_that_fails_leaves_nothing(tmp_path: Path, context: Context) -> None:
    def fail(_: Context) -> Mapping[str, Any]:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Results(tmp_path, "small").measure(Cell("one", {}, fail), context)
    assert Results(tmp_path, "small").read("one") is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        Results(tmp_path, "small").measure(Cell("two", {}, lambda _: {"value": float("nan")}), context)
    assert Results(tmp_path, "small").read("two") is None
