"""Protocols between the services and the adapters that store state or compute. Each has an adapter for a single process.

Adapters are thread-safe: a job may write while requests read. They raise only errors of `app.errors`; `Unavailable` means that
a backend does not answer. tests/contracts has one test suite per protocol, which runs over all its adapters.
"""

from app.ports.blobs import Blobs
from app.ports.child_programs import AskChild, RunChild, Translate
from app.ports.jobs import Cancelled, Interrupted, JobContext, JobHandler, JobQueue, JobStore
from app.ports.locks import Held, Locks
from app.ports.models import MODELS_LOCK, Inference, ModelProvider
from app.ports.vectors import Extent, IndexStats, Page, SourcePage, VectorPage, VectorStore
from app.ports.web_files import RemoteFile, RemoteFiles, WebCalls, go_on

__all__ = [
    "MODELS_LOCK",
    "AskChild",
    "Blobs",
    "Cancelled",
    "Extent",
    "Held",
    "IndexStats",
    "Inference",
    "Interrupted",
    "JobContext",
    "JobHandler",
    "JobQueue",
    "JobStore",
    "Locks",
    "ModelProvider",
    "Page",
    "RemoteFile",
    "RemoteFiles",
    "RunChild",
    "SourcePage",
    "Translate",
    "VectorPage",
    "VectorStore",
    "WebCalls",
    "go_on",
]
