from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.collections import Collection
from app.errors import Damaged, NotFound
from app.services.catalogue.collection_store import CollectionStore, document_key
from app.stores.blobs.object_blobs import ObjectBlobs


def collection(title: str) -> Collection:
    now = datetime.now(UTC)
    return Collection(id="c", title=title, created=now, updated=now, model="hog")


def test_settings_are_parsed_once_until_any_process_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    parse = Collection.model_validate_json

    def counted(data: bytes) -> Collection:
        parsed.append(data)
        return parse(data)

    monkeypatch.setattr(Collection, "model_validate_json", counted)
    here, other = CollectionStore(ObjectBlobs(tmp_path)), CollectionStore(ObjectBlobs(tmp_path))
    here.put(collection("one"))
    assert [here.get("c").title for _ in range(3)] == ["one"] * 3
    assert len(parsed) == 1
    other.put(collection("two"))
    assert [here.get("c").title for _ in range(3)] == ["two"] * 3
    assert len(parsed) == 2
    here.put(collection("one"))
    assert here.get("c").title == other.get("c").title == "one"
    other.delete("c")
    with pytest.raises(NotFound):
        here.get("c")


def test_settings_that_are_damaged_later_are_set_aside(tmp_path: Path) -> None:
    store = CollectionStore(ObjectBlobs(tmp_path))
    store.put(collection("one"))
    assert store.get("c").title == "one"
    (tmp_path / document_key("c")).write_text("{")
    for _ in range(2):
        with pytest.raises(Damaged):
            store.get("c")
    store.put(collection("two"))
    assert store.get("c").title == "two"
