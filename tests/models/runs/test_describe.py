from __future__ import annotations

import json
import sys

import pytest

from models.runs import describe
from models.training.recipes.named_recipes import RECIPES


def said(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, object]:
    monkeypatch.setattr(sys, "argv", ["describe", *arguments])
    status = describe.main()
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("name", "may_start", "needs_start", "unlabelled"),
    [
        ("nsl", True, False, False),
        ("hr-s2dml", True, False, True),
        ("resdyad-ae", False, False, True),
        ("default-matcher", True, True, False),
        ("siamese", True, True, False),
    ],
)
def test_what_a_recipe_begins_with_and_sees(name: str, may_start: bool, needs_start: bool, unlabelled: bool) -> None:
    facts = describe.describe(RECIPES[name])
    assert (facts["may_start"], facts["needs_start"], facts["unlabelled"]) == (may_start, needs_start, unlabelled)


def test_a_recipe_is_described_with_its_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status, line = said(["--set=image_size=64", "--", "nsl"], monkeypatch, capsys)
    assert (status, line) == (
        0,
        {"result": {"image_size": 64, "may_start": True, "needs_start": False, "unlabelled": False}},
    )


@pytest.mark.parametrize(("arguments", "reason"), [(["dance"], "hr-s2dml"), (["--set=colour=red", "nsl"], "colour")])
def test_what_there_is_not_is_told(
    arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, line = said(arguments, monkeypatch, capsys)
    assert status == 1
    assert isinstance(line, dict)
    assert reason in line["error"]
