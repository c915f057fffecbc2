from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.command import Dyad


def test_a_plan_shows_its_arithmetic(dyad: Dyad) -> None:
    shown = dyad("cluster", "plan", "--tiles", "1e9")
    assert shown.code == 0, shown.err
    assert "1 000 000 000 x 256 x 1 byte" in shown.out
    assert "capacity-planning" in shown.out
    assert "DYAD_QDRANT_ON_DISK=true" in shown.out
    document = dyad("cluster", "plan", "--tiles", "250_000", "--replicas", "1", "--json").json
    assert (document["need"]["tiles"], document["nodes"]) == (250_000, 1)
    assert document["lines"]


def test_the_cluster_at_work_is_simulated(dyad: Dyad) -> None:
    shown = dyad("cluster", "plan", "--tiles", "1e9", "--gpus", "16", "--gpu-rate", "4000")
    assert "1e+09 tiles / (16 GPUs x 4000/s)" in shown.out
    assert "a quarter by place" in shown.out
    work = dyad("cluster", "plan", "--tiles", "1e9", "--json").json["simulation"]
    assert work["hours"] > work["head_hours"] > 0
    assert {each["method"] for each in work["searches"]} == {"exact", "graph"}
    assert dyad("cluster", "plan", "--tiles", "1e9", "--gpus", "0").code == 1


def test_what_is_no_number_of_tiles(dyad: Dyad) -> None:
    for text in ("many", "0", "nan", "1e99"):
        assert dyad("cluster", "plan", "--tiles", text).code == 2
