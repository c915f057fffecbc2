"""Objects of a real S3 server, from the buckets that the settings name and from no others."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.errors import Forbidden, InvalidInput, NotThere, TooLarge, Unfetchable
from app.stores.web.named_files import NamedFiles
from tests.support.s3 import S3Server
from tests.support.web import Answer, web_server

MEGABYTE = 1 << 20


def put(s3: S3Server, bucket: str, key: str, data: bytes) -> None:
    httpx.put(f"{s3.url}/{bucket}/{key}", content=data).raise_for_status()


def test_an_object_is_fetched_whole_or_not_at_all(s3: S3Server, tmp_path: Path) -> None:
    bucket, target = s3.bucket(), tmp_path / "x"
    put(s3, bucket, "data/a%20b.bin", b"a" * (3 * MEGABYTE))
    files = NamedFiles([f"s3://{bucket}/data/"])
    files.fetch(files.check(f"s3://{bucket}/data/a b.bin"), target, 3 * MEGABYTE)
    assert target.read_bytes() == b"a" * (3 * MEGABYTE)
    target.unlink()
    with pytest.raises(TooLarge, match="DYAD_MAX_UPLOAD_MB"):
        files.fetch(f"s3://{bucket}/data/a b.bin", target, 3 * MEGABYTE - 1)
    with pytest.raises(NotThere, match="no such object"):
        files.fetch(f"s3://{bucket}/data/none", target, MEGABYTE)
    assert not target.exists()


def test_what_is_not_named_is_not_asked(s3: S3Server, tmp_path: Path) -> None:
    bucket, other = s3.bucket(), s3.bucket()
    for each in (bucket, other):
        put(s3, each, "secret", b"secret")
    files = NamedFiles([f"s3://{bucket}/data/"])
    for url in (f"s3://{bucket}/secret", f"s3://{bucket}/data2/x", f"s3://{other}/data/x", "http://127.0.0.1/x"):
        with pytest.raises(Forbidden, match="DYAD_READ_ROOTS"):
            files.fetch(url, tmp_path / "x", MEGABYTE)
    for url in (f"s3://{bucket}/data/../secret", f"s3://{bucket}/data/%2e%2e/secret", f"s3://u@{bucket}/data/x"):
        with pytest.raises(InvalidInput):
            files.fetch(url, tmp_path / "x", MEGABYTE)
    assert list(tmp_path.iterdir()) == []


def test_a_web_server_leads_to_no_object_by_a_redirect(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    put(s3, bucket, "a", b"a")
    with web_server({"/a": Answer(b"", 302, {"Location": f"s3://{bucket}/a"})}) as web:
        files = NamedFiles([f"s3://{bucket}/", web.url])
        with pytest.raises(Forbidden):
            files.fetch(f"{web.url}/a", tmp_path / "x", MEGABYTE)


def test_a_store_that_refuses_is_told(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server({"/refusing/x": Answer(b"no", 403)}) as web:
        monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
        with pytest.raises(Unfetchable, match="s3://refusing/x: the object store refused or failed"):
            NamedFiles(["s3://refusing/"]).fetch("s3://refusing/x", tmp_path / "x", MEGABYTE)
