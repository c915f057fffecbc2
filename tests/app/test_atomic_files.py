"""Files that appear only when they are complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.atomic_files import complete_file, scratch_folder

WRITER = """
import os, signal, sys
from pathlib import Path
from app.atomic_files import complete_file, scratch_folder

with complete_file(Path(sys.argv[1])) as file, scratch_folder(Path(sys.argv[1]).parent) as scratch:
    file.write(b"half")
    file.flush()
    (scratch / "index").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with complete_file(target) as file:
        file.write(b"whole")
        assert not target.exists()
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(target, b"whole")]


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with pytest.raises(FileExistsError) as refused, complete_file(target) as file:
        target.write_bytes(b"of another process")
        file.write(b"mine")
    assert target.read_bytes() == b"of another process"
    with pytest.raises(FileExistsError) as refused, complete_file(target):
        pass
    assert refused.value.filename == str(target)
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_replaced_when_the_new_one_is_complete(tmp_path: Path) -> None:
    target, link = tmp_path / "file", tmp_path / "link"
    target.write_bytes(b"before")
    link.symlink_to(target)
    with pytest.raises(KeyError), complete_file(link, is_overwriting=True) as file:
        file.write(b"half")
        raise KeyError
    assert target.read_bytes() == b"before"
    with complete_file(link, is_overwriting=True) as file:
        file.write(b"after")
    assert (link.is_symlink(), target.read_bytes(), len(list(tmp_path.iterdir()))) == (True, b"after", 2)


def test_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, target: Path) -> None:
        raise PermissionError("no hard links")

    monkeypatch.setattr(Path, "hardlink_to", fail)
    with complete_file(tmp_path / "file") as file:
        file.write(b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"whole")]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), complete_file(tmp_path / "file") as file:
        file.write(b"half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    target = tmp_path / "file"
    killed = subprocess.run([sys.executable, "-c", WRITER, str(target)], check=False, timeout=120)
    assert killed.returncode == -9
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 2
    with scratch_folder(tmp_path) as other, complete_file(target) as file:
        file.write(b"whole")
        assert other.is_dir()
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == [target]
