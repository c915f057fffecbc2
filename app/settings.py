"""Settings, from environment variables with the prefix `DYAD_`; read once, at the start of a process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from app.errors import ConfigError

PREFIX = "DYAD_"
TEST_PREFIXES = ("DYAD_TEST_", "DYAD_DATA")
"""Variables of the tests."""

Texts = Annotated[tuple[str, ...], NoDecode]
"""A list that a validator splits; pydantic-settings alone would expect JSON."""


class Settings(BaseSettings):
    """All settings with their defaults; `docs/settings.md` explains each. `load_settings` reads them from the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

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
    allowed_hosts: Texts = ()
    cors_origins: Texts = ()
    basemap_url: str = ""
    basemap_attribution: str = Field(default="", max_length=300)
    max_connections_per_client: int = Field(default=256, ge=0, le=1_000_000)
    api_key: str = Field(default="", repr=False)
    rate_limit: str = ""
    max_upload_mb: int = Field(default=4096, ge=1)
    max_pixels: int = Field(default=100_000_000, ge=1_000)
    decode_mb: int = Field(default=768, ge=64)
    read_roots: Texts = ()
    read_networks: Texts = ()
    sync_min_remaining: float = Field(default=0.1, ge=0, lt=1)
    quarantine_days: float = Field(default=30, ge=1, le=3650)
    recent_queries: int = Field(default=200, ge=0, le=10_000)
    metrics_address: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments: `load_settings` chooses the environment."""
        return (init_settings,)

    @field_validator("read_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: Any) -> Any:
        """Split at commas, and as in PATH at a `:` before a `/` (but not at the colons of URLs)."""
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
                raise ValueError(f"{part!r} is not a host name; write it without scheme and port, as tiles.example.com")
        return tuple(part.lower().removesuffix(".") for part in parts)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        return tuple(_origin(part) for part in parts)

    @field_validator("basemap_url")
    @classmethod
    def _check_basemap(cls, value: str) -> str:
        if value:
            _origin("/".join(value.split("/")[:3]))
            if not re.fullmatch(r"[!-~]+", value) or any(value.count(part) != 1 for part in ("{z}", "{x}", "{y}")):
                raise ValueError(
                    f"{value!r} is not the address of map tiles; write it as https://tiles.example.com/{{z}}/{{x}}/{{y}}.png"
                )
        return value

    @property
    def basemap_origin(self) -> str:
        """The origin of the base map's tiles; empty without a base map."""
        return _origin("/".join(self.basemap_url.split("/")[:3])) if self.basemap_url else ""

    @field_validator("rate_limit")
    @classmethod
    def _check_rates(cls, value: str) -> str:
        if value:
            from limits import parse_many  # a slow import, needed only with a rate limit

            parse_many(value)
        return value

    @field_validator("metrics_address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isdecimal() and int(port) <= 65_535):
            raise ValueError(f"{value!r} is not valid; write host:port, for example 0.0.0.0:9100")
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
                f"DYAD_HOST: without keys, any client of {self.host or 'this machine'} could read and change all data; "
                "create keys (`dyad keys create`) and set DYAD_API_KEYS_FILE to their file, or set DYAD_ALLOW_ANONYMOUS=true"
            )
        if self.blobs_public_url and (
            not self.blobs_public_url.startswith(("http://", "https://"))
            or self.blobs_url.partition("://")[0] not in ("s3", "gs", "az")
        ):
            raise ValueError("DYAD_BLOBS_PUBLIC_URL must be the http(s) URL of the object store in DYAD_BLOBS_URL, or empty")
        if self.qdrant_write_consistency > self.qdrant_replicas:
            raise ValueError(
                f"DYAD_QDRANT_WRITE_CONSISTENCY: {self.qdrant_write_consistency} is more than DYAD_QDRANT_REPLICAS "
                f"({self.qdrant_replicas}), so no write can succeed; lower it or raise the replicas"
            )
        if self.vectors_url and not self.vectors_url.startswith(("http://", "https://")):
            raise ValueError("DYAD_VECTORS_URL must be the http(s) URL of a Qdrant server, or empty for the embedded store")
        return self

    def _check_cluster(self) -> None:
        if not self.broker_url:
            if self.inference == "remote":
                raise ValueError("DYAD_INFERENCE=remote embeds on workers, which needs DYAD_BROKER_URL; set both or neither")
            return
        if not self.broker_url.startswith(("redis://", "rediss://")):
            raise ValueError("DYAD_BROKER_URL must be a URL such as redis://host:6379/0, or empty to run jobs in the service")
        missing = [
            name for name, value in (("DYAD_VECTORS_URL", self.vectors_url), ("DYAD_BLOBS_URL", self.blobs_url)) if not value
        ]
        if missing:
            raise ValueError(
                f"DYAD_BROKER_URL needs {' and '.join(missing)}, because several processes share the data: "
                "set a Qdrant server, and s3://bucket/prefix or file:///folder on a disk that all processes can reach"
            )

    @property
    def checks_hosts(self) -> bool:
        """Whether the Host header of requests is checked: without keys, only this check stops pages of other sites."""
        return bool(self.allowed_hosts) or (self.api_keys_file is None and not self.allow_anonymous)

    @property
    def max_upload_bytes(self) -> int:
        """`max_upload_mb` in bytes."""
        return self.max_upload_mb << 20

    @property
    def url(self) -> str:
        """The URL that users open."""
        is_any = self.host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if is_any else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host; a name other than `localhost` counts as reachable by others."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(text: str) -> str:
    """An origin as browsers write it: lower case, without the default port."""
    found = re.fullmatch(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", text.lower().removesuffix("/"))
    if found is None or int(found[3] or 0) > 65_535:
        raise ValueError(f"{text!r} is not an origin; write scheme and host, as https://maps.example.com, without a path or *")
    is_default = found[3] in (None, {"http": "80", "https": "443"}[found[1]])
    return f"{found[1]}://{found[2]}" + ("" if is_default else f":{int(found[3])}")


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings.

    environ: defaults to the environment of the process. overrides: values that win over it; None means not given.

    Raises:
        ConfigError: an unknown `DYAD_` variable, a value that is not valid, or a contradictory pair, in one line.
    """
    variables = os.environ if environ is None else environ
    _check_names(variables)
    source = EnvSettingsSource(Settings)
    source.env_vars = {key.lower(): value for key, value in variables.items() if value != ""}
    given = source() | {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigError(_describe(error)) from None


def _describe(error: ValidationError) -> str:
    """The first error in one line, with the value unless it is a secret."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    name = str(first["loc"][0])
    is_secret = name in Settings.model_fields and not Settings.model_fields[name].repr
    value = "" if is_secret or first["type"] == "value_error" else f", not {first['input']!r}"
    return f"{PREFIX}{name.upper()}: {message}{value}"


def _check_names(variables: Mapping[str, str]) -> None:
    """Refuse variables with the prefix that are no settings; pydantic-settings ignores them."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for key in variables:
        name = key.upper()
        if name.startswith(PREFIX) and not name.startswith(TEST_PREFIXES) and name not in known:
            raise ConfigError(f"unknown setting {key}; the settings are {', '.join(sorted(known))}")
