"""Settings: read from the environment, checked at the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.errors import ConfigError
from app.settings import Settings, load_settings


def test_values_come_from_the_environment_and_overrides_win() -> None:
    environ = {
        "DYAD_PORT": "9000",
        "dyad_threads": "3",
        "DYAD_API_KEYS_FILE": "keys",
        "DYAD_QDRANT_ON_DISK": "true",
        "HOME": "x",
    }
    settings = load_settings(environ, port=9001, host=None)
    assert (settings.port, settings.threads, settings.api_keys_file) == (9001, 3, Path("keys"))
    assert settings.qdrant_on_disk
    assert settings.host == "127.0.0.1"


def test_an_empty_variable_is_not_set_and_names_of_the_tests_are_no_settings() -> None:
    environ = {"DYAD_PORT": "", "DYAD_TEST_QDRANT_URL": "http://127.0.0.1", "DYAD_DATA": "/data"}
    assert load_settings(environ).port == 8000


def test_a_given_environment_replaces_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYAD_PORT", "9002")
    assert load_settings().port == 9002
    assert load_settings({}).port == Settings().port == 8000


def test_lists_are_separated_by_commas_or_colons() -> None:
    environ = {
        "DYAD_READ_ROOTS": "/a:/b, https://data.example.com:8080/scenes/",
        "DYAD_READ_NETWORKS": "10.1.0.0/16, 10.2.0.0/16",
    }
    settings = load_settings(environ)
    assert settings.read_roots == ("/a", "/b", "https://data.example.com:8080/scenes/")
    assert settings.read_networks == ("10.1.0.0/16", "10.2.0.0/16")


def test_origins_are_written_as_browsers_do() -> None:
    environ = {"DYAD_CORS_ORIGINS": "https://Maps.example.com/, http://127.0.0.1:3000,https://a.example:443,http://[::1]:81"}
    origins = ("https://maps.example.com", "http://127.0.0.1:3000", "https://a.example", "http://[::1]:81")
    assert load_settings(environ).cors_origins == origins


@pytest.mark.parametrize(
    "text", ["*", "null", "maps.example.com", "https://a.example/path", "ftp://a", "https://a:99999", "https://a@b"]
)
def test_what_is_not_an_origin_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"DYAD_CORS_ORIGINS: .*is not an origin"):
        load_settings({"DYAD_CORS_ORIGINS": text})


def test_a_base_map_has_an_origin() -> None:
    settings = load_settings({"DYAD_BASEMAP_URL": "https://Tiles.example.com:8443/v1/{z}/{x}/{y}.png?key=a"})
    assert settings.basemap_origin == "https://tiles.example.com:8443"
    assert load_settings({}).basemap_origin == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https://tiles.example.com/{z}/{x}.png", "is not the address of map tiles"),
        ("https://tiles.example.com/{z}/{x}/{y}/{y}.png", "is not the address of map tiles"),
        ("https://tiles.example.com/ {z}/{x}/{y}.png", "is not the address of map tiles"),
        ("tiles.example.com/{z}/{x}/{y}.png", "is not an origin"),
        ("https://{s}.example.com/{z}/{x}/{y}.png", "is not an origin"),
    ],
)
def test_what_is_not_a_base_map_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"DYAD_BASEMAP_URL: .*{problem}"):
        load_settings({"DYAD_BASEMAP_URL": text})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DYAD_PROT": "8000"}, "unknown setting DYAD_PROT"),
        ({"DYAD_PORT": "http"}, "DYAD_PORT: .*not 'http'"),
        ({"DYAD_LOG_FORMAT": "xml"}, "DYAD_LOG_FORMAT: .*not 'xml'"),
        ({"DYAD_HOST": "0.0.0.0"}, "DYAD_API_KEYS_FILE"),
        ({"DYAD_INFERENCE": "remote"}, "DYAD_BROKER_URL"),
        ({"DYAD_BROKER_URL": "redis://localhost"}, "DYAD_VECTORS_URL and DYAD_BLOBS_URL"),
        ({"DYAD_QDRANT_WRITE_CONSISTENCY": "3", "DYAD_QDRANT_REPLICAS": "2"}, r"3 is more than DYAD_QDRANT_REPLICAS \(2\)"),
        ({"DYAD_VECTORS_URL": "localhost:6333"}, "DYAD_VECTORS_URL"),
        ({"DYAD_BLOBS_PUBLIC_URL": "https://cdn.example.com"}, "DYAD_BLOBS_PUBLIC_URL"),
    ],
)
def test_what_is_unknown_or_not_valid_stops_the_start_in_one_line(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        load_settings(environ)
    assert "\n" not in str(raised.value)


def test_a_secret_is_not_repeated_in_an_error() -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings({}, qdrant_api_key=["secret"])
    assert "secret" not in str(raised.value)
