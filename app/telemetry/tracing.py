"""OpenTelemetry traces, if the standard `OTEL_` variables turn them on (extra `otel`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from app.domain.origin import coming_from
from app.errors import ConfigError

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class Span(Protocol):
    """The part of an OpenTelemetry span that the service uses."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute."""

    def update_name(self, name: str) -> None:
        """Change the name."""


class _NoSpan:
    def set_attribute(self, key: str, value: Any) -> None:
        """Do nothing: tracing is off."""

    def update_name(self, name: str) -> None:
        """Do nothing: tracing is off."""


_NO_SPAN = _NoSpan()
_provider: Any = None


def configure_tracing(environ: Mapping[str, str] | None = None) -> bool:
    """Send traces as the `OTEL_` variables configure; return whether tracing is on.

    Raises:
        ConfigError: tracing is on but the extra `otel` is not installed, or the exporter or protocol is not supported.
    """
    global _provider  # noqa: PLW0603 - one per process, as in OpenTelemetry
    exporter = _exporter_name(os.environ if environ is None else environ)
    if exporter is None:
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    except ImportError:
        raise ConfigError("the OTEL_ variables turn tracing on, which needs: pip install 'dyad[otel]'") from None

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    _provider = TracerProvider(resource=Resource.create({} if named else {SERVICE_NAME: "dyad"}))
    chosen = ConsoleSpanExporter() if exporter == "console" else OTLPSpanExporter()
    _provider.add_span_processor(BatchSpanProcessor(chosen))
    return True


def close_tracing() -> None:
    """Send the remaining spans and turn tracing off."""
    global _provider  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def _exporter_name(environ: Mapping[str, str]) -> str | None:
    name = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or name == "none"
    if is_off or not (name or any(environ.get(key) for key in _ENDPOINTS)):
        return None
    if name not in ("", "otlp", "console"):
        raise ConfigError(f"OTEL_TRACES_EXPORTER: {name!r} is not supported; use otlp, console or none")
    protocol = next((environ[key] for key in _PROTOCOLS if environ.get(key)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ConfigError(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol!r} is not supported; use http/protobuf")
    return name or "otlp"


@contextmanager
def span(name: str, *, kind: str = "INTERNAL", parent: str | None = None, **attributes: Any) -> Iterator[Span]:
    """A span around a block; spans in the block are its children. An exception sets its status to error.

    kind: `INTERNAL`, `SERVER` or `CONSUMER`. parent: a traceparent from another process. attributes: `_` in a name becomes `.`.
    """
    if _provider is None:
        yield _NO_SPAN
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator = TraceContextTextMapPropagator()
    context = None if parent is None else propagator.extract({"traceparent": parent})
    named = {key.replace("_", "."): value for key, value in attributes.items() if value is not None}
    tracer = _provider.get_tracer("dyad")
    with tracer.start_as_current_span(name, context=context, kind=SpanKind[kind], attributes=named) as current:
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        with coming_from(traceparent=carrier.get("traceparent")):
            yield current
