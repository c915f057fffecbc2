"""Schedules over HTTP: valid and invalid schedules, and their deletion."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.scheduled import YEARLY, Scheduled, write
from tests.support.service import Service


@pytest.fixture(scope="module")
def refusing(service: Service) -> Scheduled:
    """A collection that no test sets a schedule for."""
    service.create("refusing", model="hog")
    return Scheduled(service, "refusing")


def test_a_schedule_is_set_shown_replaced_and_removed(scheduled: Scheduled, folder: Path) -> None:
    write(folder, "a.png")
    sources = [str(folder), f"{folder}/**/*.tif", {"path": str(folder), "labels_from_folders": True}]
    made = scheduled.set(*sources, cron="30 2 1 1 *", timezone="Europe/Berlin", on_vanished="remove")
    assert made == scheduled.show()
    assert made["sources"] == sources
    assert (made["cron"], made["timezone"], made["on_vanished"], made["paused"]) == (
        "30 2 1 1 *", "Europe/Berlin", "remove", False,
    )  # fmt: skip
    assert datetime.fromisoformat(made["next_run"]) == datetime(datetime.now(UTC).year + 1, 1, 1, 1, 30, tzinfo=UTC)
    assert [made[name] for name in ("last_run", "last_job", "last_status", "last_result", "skipped")] == [None] * 5
    again = scheduled.set(str(folder), cron="@daily", paused=True)
    assert (again["created"], again["next_run"]) == (made["created"], None)
    assert again["updated"] > made["updated"]
    assert scheduled.service.client.delete(f"{scheduled.path}/schedule").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/run")):
        answer = scheduled.service.client.request(method, f"{scheduled.path}/schedule{path}")
        assert (answer.status_code, "no schedule" in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"cron": "61 * * * *"}, "minute '61'"),
        ({"cron": "0 0 30 2 *"}, "never due"),
        ({"cron": "daily"}, "1 fields"),
        ({"timezone": "Mars/Olympus"}, "no time zone"),
        ({"sources": []}, "sources"),
        ({"sources": ["relative/path"]}, "not an absolute path"),
        ({"sources": [{"path": "/a", "glob": "/b/*"}]}, "exactly one"),
        ({"sources": [{}]}, "exactly one"),
        ({"sources": [{"stac": "/a", "labels_from_folders": True}]}, "labels_from_folders"),
        ({"on_vanished": "forget"}, "on_vanished"),
        ({"interval": 5}, "interval"),
    ],
)
def test_a_wrong_schedule_is_a_422_that_says_what_is_wrong(
    refusing: Scheduled, folder: Path, body: dict[str, Any], words: str
) -> None:
    given = {"cron": YEARLY, "sources": [str(folder)], **body}
    answer = refusing.service.client.put(f"{refusing.path}/schedule", json=given)
    assert answer.status_code == 422, answer.text
    assert words in answer.text
    assert answer.json()["errors"]
    assert refusing.service.client.get(f"{refusing.path}/schedule").status_code == 404


def test_sources_outside_the_roots_are_refused(refusing: Scheduled, folder: Path, tmp_path: Path) -> None:
    (folder / "away").symlink_to(tmp_path)
    write(tmp_path, "a.png")
    outside = [str(tmp_path), f"{tmp_path}/*.png", "/etc/*", f"{folder}/../../..", f"{folder}/away", {"stac": "/etc/passwd"}]
    for source in (*outside, "file:///etc/passwd", "/*"):
        answer = refusing.put([str(folder), source])
        assert answer.status_code == 403, (source, answer.text)
        assert "DYAD_READ_ROOTS" in answer.json()["detail"]


def test_sources_that_are_not_there_are_refused(refusing: Scheduled, folder: Path) -> None:
    write(folder, "a.png")
    for source in (f"{folder}/gone", f"{folder}/gone/*.tif", f"{folder}/a.png/*", {"stac": f"{folder}/a.png"}, f"{folder}/\0"):
        answer = refusing.put([source])
        assert answer.status_code == 400, (source, answer.text)
        assert str(folder) in answer.json()["detail"]


def test_a_collection_that_is_not_there_has_no_schedule(service: Service) -> None:
    assert Scheduled(service, "nowhere").put(["/"]).status_code == 404


def test_a_second_run_waits_for_the_first(scheduled: Scheduled, folder: Path) -> None:
    write(folder, *(f"{number}.png" for number in range(60)))
    scheduled.set(str(folder))
    first = scheduled.start()
    second = scheduled.service.client.post(f"{scheduled.path}/schedule/run")
    assert second.status_code == 409
    assert first.json()["id"] in second.json()["detail"]
    assert scheduled.service.results(first)["indexed"] == 60


def test_removing_the_schedule_dismisses_its_run(scheduled: Scheduled, folder: Path) -> None:
    write(folder, *(f"{number}.png" for number in range(100)))
    scheduled.set(str(folder))
    location = scheduled.start().headers["location"]
    assert scheduled.service.client.delete(f"{scheduled.path}/schedule").status_code == 204
    assert scheduled.service.wait(location)["status"] == "dismissed"


def test_a_collection_takes_its_schedule_with_it(scheduled: Scheduled, folder: Path) -> None:
    scheduled.set(str(folder))
    collection = scheduled.path.rsplit("/", 1)[-1]
    assert scheduled.service.client.delete(scheduled.path).status_code == 204
    blobs = scheduled.service.container.blobs
    assert not any(collection in key for prefix in ("schedules/", "schedule-states/") for key in blobs.keys(prefix))
    scheduled.service.create(collection)
    assert scheduled.service.client.get(f"{scheduled.path}/schedule").status_code == 404
