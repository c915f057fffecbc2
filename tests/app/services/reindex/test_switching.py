"""The live index of a collection: which it is, who writes to it, and how another takes its place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.container import Container
from app.domain.collections import Collection
from app.domain.indexes import Live
from app.errors import Conflict, NotFound
from app.services.catalogue.collection_store import DOCUMENTS
from app.settings import load_settings
from tests.support.pictures import striped


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Container]:
    container = Container(load_settings({}, home=tmp_path / "home"))
    container.start()
    yield container
    container.close()


def beside(parts: Container, collection: str, model: str, number: int) -> str:
    index = f"{collection}.{model}.{number}"
    parts.vectors.create_index(index, parts.models.card(model).dimension)
    return index


def test_the_name_of_an_index_tells_model_and_version() -> None:
    assert Live.of("a-b.dyad-rgb.v1.2-128.17") == Live("a-b.dyad-rgb.v1.2-128.17", "dyad-rgb.v1.2-128", "dyad-rgb.v1.2-128.17")


def test_the_alias_says_which_index_is_live(parts: Container) -> None:
    parts.collections.create("a", model="hog")
    assert parts.collections.live("a") == Live("a.hog.1", "hog", "hog.1")
    beside(parts, "a", "lbp-rgb", 1)
    parts.collections.create("b", model="hog")
    parts.vectors.set_alias("a", "a.lbp-rgb.1")
    assert parts.collections.live("a").model == "lbp-rgb"
    assert parts.collections.live("a", "hog.1").index == "a.hog.1"
    with pytest.raises(NotFound, match=r"hog\.2.*available: hog\.1, lbp-rgb\.1"):
        parts.collections.live("a", "hog.2")
    with pytest.raises(NotFound, match="nobody"):
        parts.collections.live("nobody")
    with pytest.raises(NotFound), parts.collections.writing("nobody"):
        pass


def test_a_collection_that_named_no_model_follows_the_active_one(parts: Container) -> None:
    service, default = parts.collections, parts.models.default().id
    service.create("follows")
    service.create("stays", model="hog")
    assert service.get("follows").follows_active
    assert not service.get("stays").follows_active
    assert [service.wanted_model(service.get(name)) for name in ("follows", "stays")] == [default, "hog"]
    older = service.get("follows").model_copy(update={"model": "hog"})
    assert service.wanted_model(older) == default


def test_a_switch_to_another_model_pins_the_collection(parts: Container) -> None:
    service = parts.collections
    service.create("a")
    live = service.switch("a", beside(parts, "a", "hog", 1))
    assert live == service.live("a") == Live("a.hog.1", "hog", "hog.1")
    assert (service.get("a").model, service.get("a").follows_active) == ("hog", False)
    default = parts.models.default().id
    service.switch("a", f"a.{default}.1")
    assert (service.get("a").model, service.get("a").follows_active) == (default, False)
    with pytest.raises(NotFound):
        service.switch("a", "a.hog.9")
    assert service.live("a").model == default


def test_a_switch_to_the_active_model_goes_on_following(parts: Container) -> None:
    service, default = parts.collections, parts.models.default().id
    service.create("a")
    service.switch("a", beside(parts, "a", default, 2))
    assert service.get("a").follows_active


def test_a_switch_waits_for_the_writer(parts: Container) -> None:
    service = parts.collections
    service.create("a", model="hog")
    index = beside(parts, "a", "lbp-rgb", 1)
    switched = threading.Event()

    def switch() -> None:
        service.switch("a", index)
        switched.set()

    with service.writing("a") as live:
        thread = threading.Thread(target=switch)
        thread.start()
        assert not switched.wait(0.2)
        assert service.live("a") == live
    thread.join()
    with service.writing("a") as live, service.writing("a") as again:
        assert live == again == Live(index, "lbp-rgb", "lbp-rgb.1")


def test_writers_of_other_collections_do_not_wait(parts: Container) -> None:
    service = parts.collections
    service.create("a", model="hog")
    service.create("b", model="hog")
    done = threading.Event()

    def write() -> None:
        with service.writing("b"):
            done.set()

    with service.writing("a"):
        thread = threading.Thread(target=write)
        thread.start()
        assert done.wait(30)
    thread.join()


def test_settings_from_before_are_read(parts: Container) -> None:
    parts.collections.create("a", model="hog")
    document = json.loads(parts.blobs.get(f"{DOCUMENTS}a.json"))
    del document["follows_active"], document["rerank"]
    parts.blobs.put(f"{DOCUMENTS}a.json", json.dumps(document).encode())
    assert parts.collections.get("a") == Collection.model_validate(document)
    assert (parts.collections.get("a").follows_active, parts.collections.get("a").rerank) == (False, None)


def test_naming_a_model_ends_following_unless_it_is_said_otherwise(parts: Container) -> None:
    parts.collections.create("a")
    parts.collections.patch("a", model="hog")
    assert not parts.collections.get("a").follows_active
    parts.collections.patch("a", follows_active=True, rerank=False)
    assert (parts.collections.get("a").follows_active, parts.collections.get("a").rerank) == (True, False)


def test_another_model_for_tiles_that_are_there_is_a_matter_of_re_indexing(parts: Container, tmp_path: Path) -> None:
    parts.collections.create("a", model="hog")
    (tmp_path / "one.png").write_bytes(striped(0, size=64))
    job = parts.ingest.submit_paths("a", [tmp_path / "one.png"])
    while not parts.jobs.get(job.id).status.ended:
        parts.queue.wait(job.id, 0.05)
    with pytest.raises(Conflict, match="re-index"):
        parts.collections.patch("a", model="lbp-rgb")
