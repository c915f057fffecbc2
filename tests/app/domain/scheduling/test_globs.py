"""Path patterns, and that a walk by them finds what matching finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.scheduling.globs import Glob, has_magic


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/d/*.tif", ["/d/a.tif"], ["/d/a.png", "/d/s/a.tif", "/a.tif", "/d", "/e/a.tif"]),
        ("/d/**/*.tif", ["/d/a.tif", "/d/s/a.tif", "/d/s/t/a.tif"], ["/d/s/a.png", "/e/a.tif"]),
        ("/d/**", ["/d/a", "/d/s/t/a"], ["/d", "/e/a"]),
        ("/d/*/x/**/b?.tif", ["/d/1/x/b1.tif", "/d/1/x/y/b2.tif"], ["/d/x/b1.tif", "/d/1/x/b.tif"]),
        ("/d/[ab]/*", ["/d/a/1", "/d/b/2"], ["/d/c/1", "/d/a/s/1"]),
        ("/d/one.tif", ["/d/one.tif"], ["/d/two.tif", "/d"]),
        ("/**/**/a/**/**/b", ["/a/b", "/x/a/y/b"], ["/b", "/a", "/a/b/c"]),
        ("/D/*.TIF", ["/D/a.TIF"], ["/d/a.tif", "/D/a.tif"]),
    ],
)
def test_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    glob = Glob.parse(pattern)
    assert [path for path in (*matching, *others) if glob.matches(path)] == matching


def test_the_base_has_no_wildcard() -> None:
    assert Glob.parse("/data/2024/**/*.tif") == Glob(Path("/data/2024"), ("**", "*.tif"))
    assert Glob.parse("/data/one.tif") == Glob(Path("/data"), ("one.tif",))
    assert Glob.parse("/*") == Glob(Path("/"), ("*",))


def test_a_state_says_which_folders_need_not_be_entered() -> None:
    glob = Glob.parse("/data/2024/*.tif")
    assert not glob.step(glob.start, "notes")
    deep = Glob.parse("/data/20*/**/x.tif")
    assert not deep.step(deep.start, "1999")
    assert deep.step(deep.step(deep.start, "2024"), "anything")


def test_many_wildcards_take_no_time() -> None:
    glob = Glob.parse("/" + "**/a/" * 40 + "b")
    assert not glob.matches("/" + "a/" * 200 + "c")


def test_a_text_with_a_wildcard_is_a_pattern() -> None:
    assert [text for text in ("/a/*", "/a/b?", "/a/[x]", "/a/b") if has_magic(text)] == ["/a/*", "/a/b?", "/a/[x]"]
