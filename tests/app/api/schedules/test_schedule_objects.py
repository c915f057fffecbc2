"""Schedules and `href` over objects of a real S3 server."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support import stac
from tests.support.pictures import striped
from tests.support.s3 import SIGNED, S3Server
from tests.support.scheduled import Scheduled, counts
from tests.support.service import running_service


def test_a_catalogue_of_objects_is_kept_in_step(s3: S3Server, tmp_path: Path) -> None:
    bucket, other = s3.bucket(), s3.bucket()
    root, where = f"s3://{bucket}/data/", f"{s3.url}/{bucket}/data"
    for number, name in enumerate("abc"):
        httpx.put(f"{where}/{name}.png", content=striped(20 * number, size=64)).raise_for_status()
    items = [stac.item("a", "../../../a.png"), stac.item("b", f"{root}b.png"), stac.item("x", f"s3://{other}/x.png")]
    stac.write_catalogue(tmp_path / "c", {"s2": items})
    for path in (tmp_path / "c").rglob("*.json"):
        httpx.put(f"{where}/stac/{path.relative_to(tmp_path / 'c')}", content=path.read_bytes()).raise_for_status()
    with running_service(tmp_path / "home", read_roots=root) as service:
        service.create("objects", model="hog", tile_size=64)
        scheduled = Scheduled(service, "objects")
        assert scheduled.put([f"s3://{other}/x.png"]).status_code == 403
        scheduled.set({"stac": f"{root}stac/catalog.json"}, f"{root}c.png")
        result = scheduled.run()
        assert counts(result, "indexed", "unchanged") == (3, 0)
        assert [each["file_name"].rsplit("/", 1)[-1] for each in result["rejected"]] == ["x#visual"]
        assert counts(scheduled.run(), "indexed", "unchanged") == (0, 3)
        answer = service.client.post("/collections/objects/items", json={"href": f"{root}c.png"})
        assert service.results(answer)["unchanged"] == 1
        httpx.delete(f"{where}/c.png", headers=SIGNED).raise_for_status()
        assert "no such object" in scheduled.refused()
