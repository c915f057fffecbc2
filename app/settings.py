"""Settings, from the environment (prefix `DYAD_`). One frozen class; read once, by whoever starts the process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.errors import ConfigError

PREFIX = "DYAD_"
TEST_PREFIXES = ("DYAD_TEST_", "DYAD_DATA")


class Settings(BaseModel):
    """All settings with their defaults; `docs/settings.md` explains each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Path("dyad-data")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    vectors_url: str = ""
    blobs_url: str = ""
    blobs_public_url: str = ""
    broker_url: str = ""
    chunk_files: int = Field(default=256, ge=1, le=100_000)
    inference: Literal["local", "remote"] = "local"
    device: str = Field(default="cpu", pattern=r"^(cpu|auto|cuda|cuda:\d+(,cuda:\d+)*)$")
    qdrant_api_key: str = Field(default="", repr=False)
    qdrant_prefix: str = Field(default="dyad", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    qdrant_grpc_port: int = Field(default=0, ge=0, le=65_535)
    qdrant_timeout: int = Field(default=10, ge=1, le=600)
    qdrant_patience: float = Field(default=60, ge=0, le=3600)
    qdrant_shards: int = Field(default=0, ge=0, le=4096)
    qdrant_replicas: int = Field(default=1, ge=1, le=16)
    qdrant_write_consistency: int = Field(default=0, ge=0, le=16)
    qdrant_quantization: Literal["int8", "none"] = "int8"
    qdrant_on_disk: bool = False
    qdrant_hnsw_m: int = Field(default=16, ge=4, le=128)
    qdrant_hnsw_ef_construct: int = Field(default=128, ge=4, le=2048)
    qdrant_search_ef: int = Field(default=128, ge=4, le=10_000)
    qdrant_exact_below: int = Field(default=200_000, ge=0)
    api_keys_file: Path | None = None
    allow_anonymous: bool = False
    allowed_hosts: tuple[str, ...] = ()
    api_key: str = Field(default="", repr=False)
    rate_limit: str = ""
    max_upload_mb: int = Field(default=4096, ge=1)
    max_pixels: int = Field(default=100_000_000, ge=1_000)
    read_roots: tuple[str, ...] = ()
    read_networks: tuple[str, ...] = ()
    sync_min_remaining: float = Field(default=0.1, ge=0, lt=1)
    recent_queries: int = Field(default=200, ge=0, le=10_000)
    metrics_address: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)

    @field_validator("read_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: Any) -> Any:
        """ReadPolicy are separated by commas, or like PATH by a `:` before a `/` (the colons of URLs do not separate)."""
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in re.split(r",|:(?=/(?!/))", value) if part.strip())

    @field_validator("read_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        return tuple(str(ip_network(part)) for part in parts)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        for part in parts:
            if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*", part):
                raise ValueError(f"{part!r} is no name of a host; write it without scheme and port, as tiles.example.com")
        return tuple(part.lower().removesuffix(".") for part in parts)

    @field_validator("rate_limit")
    @classmethod
    def _check_rates(cls, value: str) -> str:
        if value:
            from limits import parse_many  # only who limits waits for the import

            parse_many(value)
        return value

    @field_validator("metrics_address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isdecimal() and int(port) <= 65_535):
            raise ValueError("write it as host:port, for example 0.0.0.0:9100")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> Settings:
        self._check_cluster()
        if self.api_keys_file is None and not (self.allow_anonymous or _is_loopback(self.host)):
            raise ValueError(
                f"DYAD_HOST: without keys anybody who reaches {self.host or 'this machine'} could read and write everything; "
                "make keys (`dyad keys create`) and name their file in DYAD_API_KEYS_FILE, or set DYAD_ALLOW_ANONYMOUS=true"
            )
        if self.blobs_public_url and (
            not self.blobs_public_url.startswith(("http://", "https://"))
            or self.blobs_url.partition("://")[0] not in ("s3", "gs", "az")
        ):
            raise ValueError("DYAD_BLOBS_PUBLIC_URL: an http(s) address of the object store in DYAD_BLOBS_URL, or empty")
        if self.qdrant_write_consistency > self.qdrant_replicas:
            raise ValueError("DYAD_QDRANT_WRITE_CONSISTENCY: more than DYAD_QDRANT_REPLICAS; no write could ever succeed")
        if self.vectors_url and not self.vectors_url.startswith(("http://", "https://")):
            raise ValueError("DYAD_VECTORS_URL: an http(s) address of a Qdrant server, or empty for the embedded store")
        return self

    def _check_cluster(self) -> None:
        if not self.broker_url:
            if self.inference == "remote":
                raise ValueError("DYAD_INFERENCE=remote asks workers, which needs DYAD_BROKER_URL; leave it out, or set both")
            return
        if not self.broker_url.startswith(("redis://", "rediss://")):
            raise ValueError("DYAD_BROKER_URL: an address such as redis://host:6379/0, or empty for jobs in the service itself")
        missing = [
            name for name, value in (("DYAD_VECTORS_URL", self.vectors_url), ("DYAD_BLOBS_URL", self.blobs_url)) if not value
        ]
        if missing:
            raise ValueError(
                f"DYAD_BROKER_URL means several processes, which need {' and '.join(missing)} to share what they keep: "
                "a Qdrant server and s3://bucket/prefix, or file:///folder on a disk that all of them have"
            )

    @property
    def checks_hosts(self) -> bool:
        """Whether requests must name a host that is known: nothing else keeps pages of other sites out."""
        return bool(self.allowed_hosts) or (self.api_keys_file is None and not self.allow_anonymous)

    @property
    def max_upload_bytes(self) -> int:
        """`max_upload_mb` in bytes."""
        return self.max_upload_mb << 20

    @property
    def url(self) -> str:
        """The address people open."""
        is_any = self.host in ("", "0.0.0.0", "::")  # noqa: S104 - shown to people, not bound
        host = "127.0.0.1" if is_any else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; of a name but `localhost` nobody knows."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings.

    environ: defaults to the process's environment. overrides: values that win over it; None means not given.

    Raises:
        ConfigError: an unknown `DYAD_` variable, a malformed value or a contradictory pair, in one line.
    """
    variables = os.environ if environ is None else environ
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    given: dict[str, Any] = {}
    for key, value in variables.items():
        if not key.upper().startswith(PREFIX) or key.upper().startswith(TEST_PREFIXES):
            continue
        if key.upper() not in known:
            raise ConfigError(f"unknown setting {key}; the settings are {', '.join(sorted(known))}")
        if value != "":
            given[known[key.upper()]] = value
    given.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{PREFIX}{str(first['loc'][0]).upper()}: " if first["loc"] else ""
        raise ConfigError(where + first["msg"].removeprefix("Value error, ")) from None
