"""OpenTelemetry traces, where the standard `OTEL_` variables ask for them (extra `otel`); nothing otherwise."""

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
    """What a block may say of its span."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Note something."""

    def update_name(self, name: str) -> None:
        """Name it better."""


class _NoSpan:
    def set_attribute(self, key: str, value: Any) -> None:
        """Nothing."""

    def update_name(self, name: str) -> None:
        """Nothing."""


_NO_SPAN = _NoSpan()
_provider: Any = None


def configure_tracing(environ: Mapping[str, str] | None = None) -> bool:
    """Send traces where the `OTEL_` variables say; whether they say so.

    Raises:
        ConfigError: they do, and the extra is not installed, or they ask for what is not there.
    """
    global _provider  # noqa: PLW0603 - one a process, as OpenTelemetry has it
    exporter = _exporter_name(os.environ if environ is None else environ)
    if exporter is None:
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    except ImportError:
        raise ConfigError("the OTEL_ variables ask for traces; install what sends them: pip install 'dyad[otel]'") from None

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    _provider = TracerProvider(resource=Resource.create({} if named else {SERVICE_NAME: "dyad"}))
    chosen = ConsoleSpanExporter() if exporter == "console" else OTLPSpanExporter()
    _provider.add_span_processor(BatchSpanProcessor(chosen))
    return True


def close_tracing() -> None:
    """Send what is left."""
    global _provider  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def _exporter_name(environ: Mapping[str, str]) -> str | None:
    wanted = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or wanted == "none"
    if is_off or not (wanted or any(environ.get(name) for name in _ENDPOINTS)):
        return None
    if wanted not in ("", "otlp", "console"):
        raise ConfigError(f"OTEL_TRACES_EXPORTER: {wanted!r} is not known; otlp, console and none are")
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ConfigError(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol!r} is not known; http/protobuf is")
    return wanted or "otlp"


@contextmanager
def span(name: str, *, kind: str = "INTERNAL", parent: str | None = None, **attributes: Any) -> Iterator[Span]:
    """A span around a block; what is called in it may make spans below. An exception marks it.

    kind: `INTERNAL`, `SERVER` or `CONSUMER`. parent: a traceparent from elsewhere. attributes: `_` in a name stands for `.`.
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
