from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

from models.papers.all_cells import SECTIONS, all_cells
from models.papers.results import Results

DOCUMENT = Path(__file__).parents[3] / "docs" / "results.md"


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_keys_are_file_names_and_belong_to_one_cell(scale: str) -> None:
    keys = [cell.key for cell in all_cells(scale)]
    assert len(set(keys)) == len(keys) > 50
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)


def test_what_users_ask_for_first_comes_first() -> None:
    keys = [cell.key for cell in all_cells("small")]
    firsts = [next(i for i, key in enumerate(keys) if key.startswith(start)) for start in ("a-table2", "b-20", "b-5", "unseen")]
    assert firsts == sorted(firsts)
    assert firsts[0] == 0


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_its_place_and_is_written_even_before_anything_was_measured(name: str, tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.index(f"<!-- {name} -->") < text.index(f"<!-- /{name} -->")
    section = SECTIONS[name]
    assert "Not run yet" in section.render(Results(tmp_path, "small"))
    assert "|" in section.table(Results(tmp_path, "small"))
    assert fnmatch.filter([cell.key for cell in all_cells("small")], section.keys)
