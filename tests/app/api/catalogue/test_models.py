"""The model registry over HTTP, in a separate service: other tests need an unchanged default model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import helper, numpy_helper

from app.domain.models import DEFAULT_MODEL as DEFAULT
from tests.support.bundle_zips import HOSTILE, packed
from tests.support.bundles import tiny_graph, write_bundle
from tests.support.pictures import striped
from tests.support.service import Service, document, running_service

_numbers = itertools.count()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("home"), max_upload_mb=64) as running:
        yield running


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny bundle with an id that no other test has; keyword arguments are fields of its card."""

    def write(**card: Any) -> Path:
        return write_bundle(tmp_path / f"tiny-{next(_numbers)}", tiny_graph(), **card)

    return write


@pytest.fixture
def added(service: Service, bundle: Callable[..., Path]) -> str:
    """The id of a model that was imported."""
    folder = bundle()
    assert send(service, packed(folder, folder.with_suffix(".zip"))).status_code == 201
    return folder.name


def send(service: Service, archive: Path) -> httpx.Response:
    return service.client.post("/models", content=archive.read_bytes(), headers={"Content-Type": "application/zip"})


def listed(service: Service) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in document(service.client.get("/models"))["models"]}


def test_models_say_what_they_are(service: Service, added: str) -> None:
    models = listed(service)
    assert {name: models[name]["origin"] for name in (DEFAULT, "hog", added)} == {
        DEFAULT: "shipped",
        "hog": "built-in",
        added: "added",
    }
    assert [name for name, model in models.items() if model["default"]] == [DEFAULT]
    assert all(model["default"] == model["active"] for model in models.values())
    assert models["hog"]["size_bytes"] == 0
    assert models[DEFAULT]["size_bytes"] > 10_000_000
    assert document(service.client.get(f"/models/{added}")) == models[added]
    assert service.client.get("/models/nobody").status_code == 404


def test_import_by_body_and_by_form(service: Service, bundle: Callable[..., Path], tmp_path: Path) -> None:
    folder = bundle(title="Mine")
    archive = packed(folder, tmp_path / "mine.zip")
    answer = send(service, archive)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/models/{folder.name}")
    imported = document(answer)
    assert (imported["id"], imported["title"], imported["unchanged"]) == (folder.name, "Mine", False)
    assert folder.name in listed(service)
    for files in ({"bundle": ("any.zip", archive.read_bytes())}, {"bundle": (None, archive.read_bytes())}):
        again = service.client.post("/models", files=files)
        assert (again.status_code, document(again)["unchanged"]) == (200, True)
    assert service.staged() == []


def test_another_bundle_of_an_id_is_409(service: Service, added: str, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other" / added, tiny_graph(seed=1))
    answer = send(service, packed(other, tmp_path / "other.zip"))
    assert answer.status_code == 409
    assert f"another model '{added}'" in document(answer)["detail"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_zips_are_refused_and_leave_nothing(
    service: Service, bundle: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    before = listed(service).keys()
    make, _ = HOSTILE[name]
    answer = send(service, make(bundle(), tmp_path / "hostile.zip"))
    assert answer.status_code in (413, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert listed(service).keys() == before
    assert service.staged() == []
    folder = service.container.home.models
    assert {path.name for path in folder.iterdir()} <= {*before, ".incoming", "active.json"}
    assert list((folder / ".incoming").iterdir()) == []


def test_wrong_requests(service: Service, bundle: Callable[..., Path], tmp_path: Path) -> None:
    archive = packed(bundle(), tmp_path / "mine.zip").read_bytes()
    two = [("bundle", ("a.zip", archive)), ("bundle", ("b.zip", archive))]
    for answer, status in (
        (service.client.post("/models"), 400),
        (service.client.post("/models", files=two), 400),
        (service.client.post("/models", files={"file": ("a.zip", archive)}), 422),
        (service.client.post("/models", content=bytes(65 << 20)), 413),
        (service.client.post("/models", content=iter([bytes(1 << 20)] * 65)), 413),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert service.staged() == []


def test_cards_cannot_pass_for_the_service(service: Service, bundle: Callable[..., Path], tmp_path: Path) -> None:
    fields = {"default": True, "active": True, "origin": "shipped", "used_by": ["x"], "size_bytes": 0, "links": "evil"}
    folder = bundle(**fields, unchanged=7)
    imported = document(send(service, packed(folder, tmp_path / "mine.zip")))
    assert (imported["default"], imported["origin"], imported["used_by"], imported["unchanged"]) == (False, "added", [], False)
    assert listed(service)[folder.name]["links"][0]["rel"] == "self"


def test_cards_with_numbers_that_are_none_do_no_harm(service: Service, bundle: Callable[..., Path], tmp_path: Path) -> None:
    folder = bundle()
    card = json.loads((folder / "card.json").read_text())
    card["metrics"] = {"mAP": float("nan"), "more": [float("inf")]}
    (folder / "card.json").write_text(json.dumps(card))
    assert send(service, packed(folder, tmp_path / "mine.zip")).status_code == 201
    assert listed(service)[folder.name]["metrics"] == {"mAP": None, "more": [None]}


def test_what_is_exported_is_imported_elsewhere(service: Service, added: str, tmp_path: Path) -> None:
    answer = service.client.get(f"/models/{added}/bundle")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="{added}.zip"'
    assert service.client.get(f"/models/{added}/bundle").content == answer.content
    with running_service(tmp_path / "elsewhere") as other:
        assert other.client.post("/models", files={"bundle": ("x.zip", answer.content)}).status_code == 201
        assert other.client.get(f"/models/{added}/bundle").content == answer.content
    for name in ("hog", "nobody"):
        assert service.client.get(f"/models/{name}/bundle").status_code == 404


def test_the_active_model_is_what_new_collections_get(service: Service, added: str) -> None:
    activated = document(service.client.post(f"/models/{added}/activate"))
    try:
        assert (activated["active"], activated["default"]) == (True, True)
        assert next(iter(listed(service))) == added
        assert service.create(f"c-{added}")["model"] == added
        answer = service.client.delete(f"/models/{added}")
        assert (answer.status_code, f"c-{added}" in document(answer)["detail"]) == (409, True)
        assert service.client.delete(f"/collections/c-{added}").status_code == 204
        answer = service.client.delete(f"/models/{added}")
        assert (answer.status_code, "active model" in document(answer)["detail"]) == (409, True)
    finally:
        assert service.client.post(f"/models/{DEFAULT}/activate").status_code == 200
    assert service.client.delete(f"/models/{added}").status_code == 204
    assert added not in listed(service)
    assert service.client.post(f"/models/{added}/activate").status_code == 404


def test_a_model_that_does_not_run_is_not_imported(service: Service, tmp_path: Path) -> None:
    """Its graph is what its card says, but looks for the hundredth tile of each batch."""
    graph = tiny_graph(embedding_name="raw")
    graph.graph.initializer.append(numpy_helper.from_array(np.array([99]), "hundredth"))
    graph.graph.node.append(helper.make_node("Gather", ["raw", "hundredth"], ["embedding"], axis=0))
    graph.graph.output[0].name = "embedding"
    folder = write_bundle(tmp_path / f"tiny-{next(_numbers)}", graph)
    answer = send(service, packed(folder, tmp_path / "mine.zip"))
    assert (answer.status_code, "fails on tiles" in document(answer)["detail"]) == (422, True), answer.text
    assert folder.name not in listed(service)
    assert [name for name, model in listed(service).items() if model["active"]] == [DEFAULT]


def test_a_model_in_use_is_not_deleted(service: Service, added: str) -> None:
    name = f"c-{added}"
    service.create(name, model=added)
    service.upload(name, {"a.png": striped(10, size=64)})
    assert listed(service)[added]["used_by"] == [name]
    answer = service.client.delete(f"/models/{added}")
    assert (answer.status_code, f"collection {name}" in document(answer)["detail"]) == (409, True)
    assert service.client.delete(f"/collections/{name}").status_code == 204
    assert listed(service)[added]["used_by"] == []
    assert service.client.delete(f"/models/{added}").status_code == 204
    assert service.client.delete(f"/models/{added}").status_code == 404


@pytest.mark.parametrize("name", [DEFAULT, "hog"])
def test_what_comes_with_dyad_is_never_deleted(service: Service, name: str) -> None:
    answer = service.client.delete(f"/models/{name}")
    assert (answer.status_code, "comes with Dyad" in document(answer)["detail"]) == (403, True)


def test_a_bundle_that_does_not_fit_can_be_deleted(service: Service) -> None:
    folder = service.container.home.models / "broken"
    write_bundle(folder, tiny_graph(dimension=9))
    assert "broken" not in listed(service)
    assert service.client.post("/models/broken/activate").status_code == 422
    assert service.client.delete("/models/broken").status_code == 204
    assert not folder.exists()


def test_the_choice_survives_a_restart(bundle: Callable[..., Path], tmp_path: Path) -> None:
    folder = bundle()
    for turn in range(2):
        with running_service(tmp_path / "home") as service:
            if turn == 0:
                assert send(service, packed(folder, tmp_path / "mine.zip")).status_code == 201
                assert service.client.post(f"/models/{folder.name}/activate").status_code == 200
            assert next(iter(listed(service))) == folder.name
