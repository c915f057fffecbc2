"""`dyad worker` and `dyad beat` where they cannot start; `tests/worker/test_cluster.py` runs what they become."""

from __future__ import annotations

from tests.support.command import Dyad


def test_without_a_broker_there_is_nothing_to_work_on(dyad: Dyad) -> None:
    for command in ("worker", "beat"):
        ran = dyad(command)
        assert (ran.code, len(ran.err_lines)) == (1, 1)
        assert "DYAD_BROKER_URL is not set" in ran.err


def test_an_unknown_queue_is_wrong_usage(dyad: Dyad) -> None:
    ran = dyad("worker", "--queues", "ingest,dance")
    assert ran.code == 2
    assert "dance" in ran.err


def test_a_broker_alone_is_no_cluster(dyad: Dyad) -> None:
    ran = dyad("worker", DYAD_BROKER_URL="redis://127.0.0.1:1/0")
    assert (ran.code, len(ran.err_lines)) == (1, 1)
    assert "DYAD_VECTORS_URL and DYAD_BLOBS_URL" in ran.err
    ran = dyad("beat", DYAD_BROKER_URL="amqp://somewhere")
    assert "redis://host" in ran.err
