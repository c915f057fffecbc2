"""The file of keys: made, read, changed under a running service."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app.domain.keys import Role, digest_of
from app.errors import ConfigError, Conflict, InvalidInput, NotFound
from app.stores import key_file
from app.stores.key_file import KeyFile, add_key, read_keys, remove_key


def test_a_key_is_found_by_its_text_which_is_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    ana, ben = add_key(path, "ana", Role.READ), add_key(path, "ben", Role.ADMIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ana not in path.read_text()
    keys = KeyFile(path)
    found = keys.find(ben)
    assert found is not None
    assert (found.name, found.role, found.digest) == ("ben", Role.ADMIN, digest_of(ben))
    assert keys.named("ana") == keys.find(ana)
    assert keys.find(ana[:-1]) is keys.find("") is keys.named("carl") is None


def test_comments_stay_and_names_are_there_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours\n\n")
    add_key(path, "ana", Role.WRITE)
    add_key(path, "ben", Role.WRITE)
    with pytest.raises(Conflict, match="ana"):
        add_key(path, "ana", Role.READ)
    remove_key(path, "ana")
    assert path.read_text().startswith("# ours\n\nben write sha256:")
    with pytest.raises(NotFound, match="ana"):
        remove_key(path, "ana")
    with pytest.raises(InvalidInput, match="key name"):
        add_key(path, "no spaces", Role.READ)


def test_a_file_without_a_last_line_end_grows_by_a_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours")
    add_key(path, "ana", Role.READ)
    assert [key.name for key in read_keys(path)] == ["ana"]


@pytest.mark.parametrize(
    "line",
    [
        "ana",
        "ana read",
        "ana king sha256:" + "0" * 64,
        "ana read sha256:00",
        "ana read md5:" + "0" * 64,
        "a/b read sha256:" + "0" * 64,
        "ana read sha256:" + "z" * 64,
        "ana read sha256:" + "0" * 64 + " more",
    ],
)
def test_a_line_that_cannot_be_understood_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# ours\n{line}\n")
    with pytest.raises(ConfigError, match=r"keys, line 2 is not a key; the format is `name role"):
        KeyFile(path)


def test_two_keys_of_one_name_and_no_file_at_all(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(2 * ("ana read sha256:" + "0" * 64 + "\n"))
    with pytest.raises(ConfigError, match="line 2: the name 'ana' is used twice"):
        KeyFile(path)
    with pytest.raises(ConfigError, match="dyad keys create"):
        KeyFile(tmp_path / "nowhere")


def test_changes_hold_without_a_restart_and_damage_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "RELOAD_SECONDS", 0.0)
    path = tmp_path / "keys"
    ana = add_key(path, "ana", Role.READ)
    keys = KeyFile(path)
    ben = add_key(path, "ben", Role.READ)
    assert keys.find(ben) is not None
    remove_key(path, "ana")
    assert keys.find(ana) is None
    path.write_text("half a li")
    assert keys.find(ben) is not None
    path.unlink()
    assert keys.find(ben) is not None
