"""Celery settings shared by API processes, workers and beat: tasks, queues, priorities, and options of the broker.

A message is invisible to other workers for `VISIBLE_SECONDS`. Its worker renews this while it lives
(`worker.visibility_renewal`), so tasks may take any time, and another worker takes the tasks of a dead one within seconds.
docs/cluster-internals.md explains each option.
"""

from __future__ import annotations

from typing import Any

RUN_JOB = "dyad.run_job"
INGEST_CHUNK = "dyad.ingest_chunk"
TICK = "dyad.tick"
RECONCILE = "dyad.reconcile"
SWEEP = "dyad.sweep"

INGEST, EMBED, TRAIN, MAINTENANCE = QUEUES = ("ingest", "embed", "train", "maintenance")
QUEUE_OF_KIND = {"ingest": INGEST, "sync": INGEST, "reindex": EMBED, "train": TRAIN, "evaluate": TRAIN}

SOONEST, SOON, LATER, LATEST = PRIORITIES = (0, 3, 6, 9)
"""0 goes first."""
PRIORITY_OF_KIND = {"ingest": SOON, "reindex": LATER, "sync": LATER, "train": SOON, "evaluate": SOON}
PRIORITY_SEPARATOR = "\x06\x16"

VISIBLE_SECONDS = 7
TICK_SECONDS = 5
RECONCILE_SECONDS = 10
SWEEP_SECONDS = 3600


def broker_options(answer_seconds: float = 10) -> dict[str, Any]:
    """Transport options of the broker. answer_seconds: to wait for an answer; longer for consumers, which wait for messages."""
    return {
        "visibility_timeout": VISIBLE_SECONDS,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": VISIBLE_SECONDS,  # a worker may be killed while it restores messages
        "priority_steps": list(PRIORITIES),
        "queue_order_strategy": "priority",
        "sep": PRIORITY_SEPARATOR,
        "socket_connect_timeout": 2,
        "socket_timeout": answer_seconds,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "max_retries": 2,
        "interval_start": 0.1,
        "interval_step": 0.2,
        "interval_max": 0.5,
    }


def celery_settings(broker_url: str) -> dict[str, Any]:
    """Settings of every Celery application of Dyad."""
    return {
        "broker_url": broker_url,
        "broker_transport_options": broker_options(),
        "broker_connection_timeout": 2,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "result_backend": broker_url,
        "result_expires": 300,
        "task_ignore_result": True,
        "task_default_queue": MAINTENANCE,
        "task_create_missing_queues": True,
        "task_default_priority": SOON,
        "task_routes": {
            INGEST_CHUNK: {"queue": EMBED},
            TICK: {"queue": MAINTENANCE},
            RECONCILE: {"queue": MAINTENANCE},
            SWEEP: {"queue": MAINTENANCE},
        },
        "task_serializer": "json",
        "accept_content": ["json"],
        "timezone": "UTC",
    }
