"""Schedules over web sources: a real server that the settings allow, and others that must never get a request."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pystac
import pytest

from tests.support import stac
from tests.support.pictures import striped
from tests.support.scheduled import Scheduled, counts
from tests.support.service import Service, running_service
from tests.support.web import Answer, WebServer, web_server

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web_server({}) as running:
        yield running


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, server: WebServer) -> Iterator[Service]:
    """A service that may read from `server`/data/ and from a folder of its own."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("folder")
    with running_service(home, read_roots=f"{folder},{server.url}/data/", max_upload_mb=1) as running:
        yield running


@pytest.fixture
def web(server: WebServer) -> WebServer:
    server.answers.clear()
    server.asked.clear()
    return server


@pytest.fixture
def inside() -> Iterator[WebServer]:
    """A server that the settings do not allow."""
    answers = {"/data/x.png": striped(80, size=64), "/data/catalog.json": b"{}"}
    with web_server(answers) as running:
        yield running
        assert running.asked == []


@pytest.fixture
def scheduled(reading: Service) -> Scheduled:
    name = f"web-{next(_numbers)}"
    reading.create(name, model="hog", tile_size=64)
    return Scheduled(reading, name)


def put_pictures(web: WebServer, *names: str, seed: int = 0) -> None:
    for number, name in enumerate(names):
        web.answers[f"/data/{name}"] = Answer(striped(seed + 15 * number, size=64))


def put_catalogue(web: WebServer, folder: Path, items: dict[str, list[pystac.Item]]) -> str:
    """Write a catalogue and serve it as /data/stac/; its address."""
    stac.write_catalogue(folder, items)
    for path in folder.rglob("*.json"):
        web.answers[f"/data/stac/{path.relative_to(folder)}"] = Answer(path.read_bytes())
    return f"{web.url}/data/stac/catalog.json"


def names(scheduled: Scheduled, web: WebServer) -> dict[str, dict[str, Any]]:
    return {name.removeprefix(f"{web.url}/data/"): tile for name, tile in scheduled.tiles().items()}


def test_a_catalogue_on_the_web_is_kept_in_step(scheduled: Scheduled, web: WebServer, tmp_path: Path) -> None:
    put_pictures(web, "a.png", "b.png", "c.png")
    near, far = "../../../a.png", f"{web.url}/data/b.png"
    members = [stac.item("a", near, labels=["alps"]), stac.item("b", far)]
    url = put_catalogue(web, tmp_path / "one", {"s2": members, "naip": [stac.item("c", "../../../c.png")]})
    scheduled.set({"stac": url}, on_vanished="remove")
    first = scheduled.run()
    assert (first["indexed"], first["rejected"]) == (3, [])
    tiles = names(scheduled, web)
    assert set(tiles) == {f"stac/catalog.json/{name}#visual" for name in ("s2/a", "s2/b", "naip/c")}
    assert tiles["stac/catalog.json/s2/a#visual"]["labels"] == ["alps"]
    assert counts(scheduled.run(), "indexed", "unchanged") == (0, 3)
    web.answers.clear()
    put_pictures(web, "b.png", "c.png", seed=40)
    put_catalogue(web, tmp_path / "two", {"s2": members[1:], "naip": [stac.item("c", "../../../c.png")]})
    assert counts(scheduled.run(), "changed", "vanished", "removed") == (2, 1, 1)
    asked = [path for _, path, _ in web.asked]
    assert asked.count("/data/stac/catalog.json") == 3, "a run asks for a document once"


def test_files_are_named_by_their_addresses(scheduled: Scheduled, web: WebServer) -> None:
    put_pictures(web, "river/a.png", "b.png")
    scheduled.set({"path": f"{web.url}/data/river/a.png", "labels_from_folders": True}, f"{web.url}/data/b.png")
    assert scheduled.run()["indexed"] == 2
    assert {name: tile["labels"] for name, tile in names(scheduled, web).items()} == {"river/a.png": ["river"], "b.png": []}
    put_pictures(web, "b.png", seed=50)
    assert counts(scheduled.run(), "changed", "unchanged") == (1, 1)


def test_a_server_that_does_not_answer_loses_nothing(scheduled: Scheduled, web: WebServer, tmp_path: Path) -> None:
    put_pictures(web, "a.png", "b.png")
    url = put_catalogue(web, tmp_path / "c", {"s2": [stac.item("a", "../../../a.png")]})
    scheduled.set({"stac": url}, f"{web.url}/data/b.png", on_vanished="remove")
    scheduled.run()
    web.answers["/data/stac/catalog.json"] = web.answers["/data/b.png"] = Answer(b"down", 503)
    reason = scheduled.refused(accept_vanished=True)
    assert f"{url}: its server answered 503" in reason
    assert "b.png: its server answered 503" in reason
    assert len(scheduled.tiles()) == 2
    del web.answers["/data/b.png"]
    assert "answered 404" in scheduled.refused()
    put_catalogue(web, tmp_path / "c", {"s2": [stac.item("a", "../../../a.png")]})
    assert scheduled.run(accept_vanished=True)["removed"] == 1
    assert set(names(scheduled, web)) == {"stac/catalog.json/s2/a#visual"}


def test_a_part_that_cannot_be_read_takes_nothing_for_gone(scheduled: Scheduled, web: WebServer, tmp_path: Path) -> None:
    put_pictures(web, "a.png", "b.png")
    items = {name: [stac.item(name, f"../../../{name}.png")] for name in ("a", "b")}
    scheduled.set({"stac": put_catalogue(web, tmp_path / "c", items)}, on_vanished="remove")
    assert scheduled.run()["indexed"] == 2
    del web.answers["/data/stac/a/collection.json"]
    result = scheduled.run()
    assert counts(result, "unchanged", "removed") == (1, 0)
    assert len(result["not_compared"]) == len(result["rejected"]) == 1
    del web.answers["/data/b.png"]
    assert len(scheduled.run()["rejected"]) == 2
    assert len(scheduled.tiles()) == 2


def test_pages_of_an_item_collection_are_followed(scheduled: Scheduled, web: WebServer) -> None:
    """As a STAC API gives the Items of a Collection."""
    put_pictures(web, "a.png", "b.png")

    def page(name: str, **link: str) -> Answer:
        item = stac.item(name, f"{web.url}/data/{name}.png").to_dict(include_self_link=False)
        links = [{"rel": "next", **link}] if link else []
        return Answer(json.dumps({"type": "FeatureCollection", "features": [item], "links": links}).encode())

    collection = pystac.Collection("c", "about c", stac.EXTENT).to_dict(include_self_link=False)
    collection["links"] = [{"rel": "items", "href": "c/items"}]
    web.answers["/data/c"] = Answer(json.dumps(collection).encode())
    web.answers["/data/c/items"] = page("a", href="items?token=2")
    web.answers["/data/c/items?token=2"] = page("b")
    scheduled.set({"stac": f"{web.url}/data/c"}, on_vanished="remove")
    assert scheduled.run()["indexed"] == 2
    web.answers["/data/c/items"] = page("a", href="items", method="POST")
    result = scheduled.run()
    assert counts(result, "unchanged", "removed") == (1, 0)
    assert "requires the method POST" in result["rejected"][0]["reason"]


def test_a_catalogue_leads_nowhere_else(scheduled: Scheduled, web: WebServer, inside: WebServer, tmp_path: Path) -> None:
    put_pictures(web, "a.png", "b.png")
    (tmp_path / "local.png").write_bytes(striped(70, size=64))
    targets = [
        f"{inside.url}/data/x.png",
        f"http://2130706433:{inside.port}/data/x.png",
        f"http://[::ffff:127.0.0.1]:{inside.port}/data/x.png",
        f"http://localhost:{web.port}/data/a.png",
        f"http://127.0.0.1:{web.port}@127.0.0.1:{inside.port}/data/x.png",
        f"file://{tmp_path}/local.png",
        "../../../../secret.png",
        "../../../moved.png",
    ]
    web.answers["/data/moved.png"] = Answer(b"", 302, {"Location": f"{inside.url}/data/x.png"})
    items = [stac.item("good", "../../../a.png"), *(stac.item(f"n{n}", target) for n, target in enumerate(targets))]
    url = put_catalogue(web, tmp_path / "c", {"s2": items})
    catalogue = json.loads(web.answers["/data/stac/catalog.json"].body)
    far = [f"{inside.url}/data/catalog.json", f"file://{tmp_path}/c/catalog.json", "../../other/catalog.json"]
    catalogue["links"] += [{"rel": "child", "href": href} for href in far]
    web.answers["/data/stac/catalog.json"] = Answer(json.dumps(catalogue).encode())
    scheduled.set({"stac": url})
    result = scheduled.run()
    assert result["indexed"] == 1
    assert len(result["rejected"]) == len(targets) + len(far)
    assert all(path.startswith("/data/") for _, path, _ in web.asked)


def test_a_catalogue_here_may_name_what_lies_there(scheduled: Scheduled, web: WebServer, inside: WebServer) -> None:
    put_pictures(web, "a.png", "b.png")
    folder = Path(scheduled.service.container.settings.read_roots[0])
    items = [stac.item("a", f"{web.url}/data/a.png"), stac.item("x", f"{inside.url}/data/x.png")]
    path = stac.write_item_collection(folder / "items.geojson", items)
    scheduled.set({"stac": str(path)})
    result = scheduled.run()
    assert result["indexed"] == 1
    assert "DYAD_READ_ROOTS" in result["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("http://127.0.0.1:1/data/a.png", 403, "DYAD_READ_ROOTS"),
        ({"stac": "https://elsewhere.example/catalog.json"}, 403, "DYAD_READ_ROOTS"),
        ("URL/other/a.png", 403, "DYAD_READ_ROOTS"),
        ("URL/data/../a.png", 400, "the URL has"),
        ("URL/data/a.png#b", 400, "plain http"),
        ("http://me@127.0.0.1/data/a.png", 400, "plain http"),
        ("http://2130706433/data/a.png", 403, "DYAD_READ_ROOTS"),
        ("URL/data/*.png", 422, "lists no files"),
        ({"glob": "URL/data/a.png"}, 422, "lists no files"),
        ("URL/data/a.png?x=1", 422, "lists no files"),
        ("ftp://127.0.0.1/a.png", 422, "not an absolute path"),
    ],
)
def test_a_source_that_may_not_be_is_refused(
    scheduled: Scheduled, web: WebServer, source: Any, status: int, words: str
) -> None:
    given = json.loads(json.dumps(source).replace("URL", web.url))
    answer = scheduled.put([given])
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert web.asked == []


def test_a_run_says_what_it_could_not_have(scheduled: Scheduled, web: WebServer) -> None:
    put_pictures(web, "a.png")
    scheduled.set(f"{web.url}/data/a.png", {"stac": f"{web.url}/data/none.json"})
    assert "none.json: its server answered 404" in scheduled.refused()
    scheduled.set({"stac": f"{web.url}/data/a.png"})
    assert "not a valid STAC catalogue" in scheduled.refused()
    web.answers["/data/large.png"] = Answer(bytes(2 << 20))
    scheduled.set(f"{web.url}/data/large.png")
    assert "DYAD_MAX_UPLOAD_MB" in scheduled.refused()


def test_without_named_addresses_nothing_is_asked(service: Service, web: WebServer) -> None:
    service.create("no-web", model="hog")
    answer = Scheduled(service, "no-web").put([f"{web.url}/data/a.png"])
    assert (answer.status_code, "DYAD_READ_ROOTS" in answer.text) == (403, True)
    assert web.asked == []
