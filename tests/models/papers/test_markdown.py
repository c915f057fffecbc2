from __future__ import annotations

from pathlib import Path

import pytest

from models.papers.markdown import insert, markdown_table, number


def test_a_table_aligns_numbers_to_the_right() -> None:
    assert markdown_table(["what", "mAP"], [["hog", "16.78"]]) == "| what | mAP |\n| --- | ---: |\n| hog | 16.78 |"


def test_numbers_and_their_absence() -> None:
    assert number(0.12345, percent=True) == "12.35"
    assert number(0.5, 3) == "0.500"
    assert number(None) == "–"


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    document = tmp_path / "results.md"
    document.write_text("before\n<!-- one -->\nold\n<!-- /one -->\nbetween\n<!-- two -->\n<!-- /two -->\nafter\n")
    insert(document, "one", r"new \1")
    insert(document, "two", "second")
    expected = "before\n<!-- one -->\nnew \\1\n<!-- /one -->\nbetween\n<!-- two -->\nsecond\n<!-- /two -->\nafter\n"
    assert document.read_text() == expected
    insert(document, "one", r"new \1")
    assert document.read_text() == expected


def test_a_document_without_the_marks_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "results.md"
    document.write_text("nothing\n")
    with pytest.raises(ValueError, match="has no marks <!-- one -->"):
        insert(document, "one", "text")
    assert document.read_text() == "nothing\n"
