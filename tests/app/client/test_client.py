"""The client against the real service. docs/client.md tells the same story."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import geopandas
import pytest

from app.client import ApiError, AsyncDyad, Dyad
from tests.support.pictures import striped
from tests.support.service import Service, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        (made / f"{number}.png").write_bytes(striped(number * 10))
    return made


def test_the_tutorial(service: Service, folder: Path, tmp_path: Path) -> None:
    with Dyad(str(service.client.base_url)) as dyad:
        dyad.create_collection("fields", model="hog", tile_size=64)
        told: list[tuple[float, str]] = []
        metadata = {f"{n}.png": {"bbox": [n, 50, n + 0.5, 50.5], "labels": ["low" if n < 3 else "high"]} for n in range(6)}
        result = dyad.index("fields", sorted(folder.iterdir()), metadata, lambda *each: told.append(each))
        assert result["indexed"] == 6
        assert told[-1][0] == 100
        assert [percent for percent, _ in told] == sorted(percent for percent, _ in told)
        assert [each["id"] for each in dyad.collections()] == ["fields"]

        found = dyad.search("fields", folder / "2.png", limit=4)
        assert (len(found), found.matched, found[0].properties["file_name"]) == (4, 6, "2.png")
        frame = found.to_geodataframe()
        assert isinstance(frame, geopandas.GeoDataFrame)
        assert frame["rank"].tolist() == [1, 2, 3, 4]
        assert "<img" in found._repr_html_()

        assert dyad.search("fields", item=found[0].id, filter="labels = 'high'", limit=10).matched == 3
        assert dyad.search("fields", point=(4.2, 50.2), limit=5)[0].properties["file_name"] != "4.png"
        dyad.label("fields", found[0].id, add=["seen"], remove=["low"])
        assert dyad.item("fields", found[0].id).labels == ["seen"]

        items = dyad.items("fields", sortby="-file_name", filter="labels <> 'seen'")
        assert [each.properties["file_name"] for each in items] == ["5.png", "4.png", "3.png", "1.png", "0.png"]

        saved = dyad.save_search("fields", "Like 2", folder / "2.png")
        assert [each["id"] for each in dyad.searches("fields")] == [saved["id"]]
        assert len(dyad.items(saved["id"])) == 6
        assert geopandas.read_file(dyad.export(saved["id"], tmp_path / "found.gpkg", "gpkg")).shape[0] == 6
        dyad.delete_search(saved["id"])
        assert "item_ids" in dyad.execute("reindex", collection="fields")
        with pytest.raises(ApiError, match="no collection 'none'") as refused:
            dyad.items("none")
        assert refused.value.status == 404
        dyad.delete_collection("fields")


def test_all_pages_are_read(service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.core.PAGE", 2)
    with Dyad(str(service.client.base_url)) as dyad:
        dyad.create_collection("pages", model="hog", tile_size=64)
        dyad.index("pages", sorted(folder.iterdir()))
        assert len(set(dyad.items("pages").ids)) == 6
        assert len(dyad.items("pages", limit=3)) == 3
        assert [each.properties["rank"] for each in dyad.search("pages", folder / "0.png", limit=5)] == [1, 2, 3, 4, 5]
        dyad.delete_collection("pages")


def test_the_same_operations_are_awaited(service: Service, folder: Path, tmp_path: Path) -> None:
    async def use() -> None:
        async with AsyncDyad(str(service.client.base_url)) as dyad:
            await dyad.create_collection("async", model="hog", tile_size=64)
            assert (await dyad.index("async", sorted(folder.iterdir())))["indexed"] == 6
            first, second = await asyncio.gather(dyad.search("async", folder / "1.png"), dyad.search("async", folder / "4.png"))
            assert (first[0].properties["file_name"], second[0].properties["file_name"]) == ("1.png", "4.png")
            await dyad.export("async", tmp_path / "items.csv", "csv")
            await dyad.delete_collection("async")

    asyncio.run(use())
    assert len((tmp_path / "items.csv").read_text().splitlines()) == 7


def test_labels_schedules_models_and_jobs(service: Service, folder: Path, tmp_path: Path) -> None:
    with Dyad(str(service.client.base_url)) as dyad:
        dyad.create_collection("taught", model="hog", tile_size=64)
        with (folder / "0.png").open("rb") as first, (folder / "3.png").open("rb") as second:
            job = dyad.upload("taught", [("first.png", first), ("second.png", second)], {"first.png": {"labels": ["low"]}})
        assert dyad.wait(job["id"])["indexed"] == 2
        assert dyad.job(job["id"])["status"] == dyad.dismiss(job["id"])["status"] == "successful"
        assert [each["id"] for each in dyad.jobs("taught", ["successful"])] == [job["id"]]

        labels = tmp_path / "labels.csv"
        labels.write_text("file_name,label\nsecond.png,high\n")
        assert dyad.label_file("taught", labels)["updated"] == 1
        assert "high" in dyad.export_labels("taught", tmp_path / "all.csv").read_text()
        assert len(dyad.suggestions("taught", limit=5)) == 0
        one = dyad.items("taught", sortby="file_name")[0]
        assert {each["label"] for each in dyad.classes("taught", one.id)["classes"]} == {"low", "high"}
        assert geopandas.read_file(dyad.export("taught", tmp_path / "all.geojson", "geojson")).shape[0] == 2

        assert dyad.update_collection("taught", title="Taught")["title"] == "Taught"
        assert [each["live"] for each in dyad.indexes("taught")] == [True]
        with pytest.raises(ApiError, match="DYAD_READ_ROOTS"):
            dyad.set_schedule("taught", cron="@daily", sources=[str(folder)])
        with pytest.raises(ApiError, match="DYAD_READ_ROOTS"):
            dyad.index_href("taught", str(folder / "0.png"))
        for call in (dyad.schedule, dyad.run_schedule, dyad.delete_schedule):
            with pytest.raises(ApiError, match="404"):
                call("taught")
        assert dyad.wait(dyad.start("reindex", collection="taught")["id"])["tiles"] == 2
        with pytest.raises(ApiError, match="404"):
            dyad.export_report(job["id"], tmp_path / "report.html")

        active = dyad.models()[0]["id"]
        assert dyad.activate_model(active)["active"]
        assert dyad.model("hog")["used_by"] == ["taught"]
        dyad.delete_collection("taught")
