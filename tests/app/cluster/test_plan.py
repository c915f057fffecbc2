from __future__ import annotations

from dataclasses import replace

import pytest

from app.cluster.plan import FIELDS_IN_MEMORY, GRAPH, GROWTH, Need, human, plan
from app.domain.models import DEFAULT_MODEL
from app.errors import InvalidInput
from app.inference.local_models import BUNDLED
from models.bundle.card import ModelCard

MANY = Need(tiles=10**9)


def test_a_billion_tiles() -> None:
    made = plan(MANY)
    assert made.memory == round(10**9 * (256 + GRAPH + FIELDS_IN_MEMORY) * GROWTH) * 2
    assert made.nodes * MANY.node_memory * 0.8 >= made.memory
    assert made.nodes * MANY.node_disk * 0.8 >= made.disk
    assert made.shards % made.nodes == 0
    assert made.settings["DYAD_QDRANT_SHARDS"] == str(made.shards)
    assert all(line.source for line in made.lines)


def test_the_defaults_are_those_of_the_default_model() -> None:
    card = ModelCard.model_validate_json((BUNDLED / DEFAULT_MODEL / "card.json").read_bytes())
    assert (MANY.dimension, MANY.feature, MANY.pair) == (card.dimension, card.feature_dimension, card.pair_dimension)


def test_every_part_grows_with_what_it_is_made_of() -> None:
    base = plan(MANY)
    assert plan(replace(MANY, is_on_disk=False)).memory == base.memory + round(10**9 * 1024 * GROWTH) * 2
    assert plan(replace(MANY, replicas=1)).memory * 2 == base.memory
    assert plan(replace(MANY, pair=0)).disk < base.disk
    assert plan(replace(MANY, dimension=512)).memory > base.memory
    assert plan(replace(MANY, node_memory=256 * 10**9)).nodes < base.nodes
    assert plan(replace(MANY, node_disk=10**11)).nodes > base.nodes


def test_few_tiles_need_one_node_or_three_that_outlast_one() -> None:
    assert plan(Need(tiles=1000, replicas=1)).nodes == 1
    assert plan(Need(tiles=1000, replicas=2)).nodes == 3


@pytest.mark.parametrize("changes", [{"tiles": 0}, {"replicas": 0}, {"pair": -1}, {"node_memory": 0}])
def test_what_cannot_be_planned_for(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        plan(replace(MANY, **changes))  # type: ignore[arg-type]


def test_bytes_for_people() -> None:
    assert [human(n) for n in (0, 999, 1500, 1.21e12, 3e15)] == ["0 B", "999 B", "1.5 kB", "1.21 TB", "3 PB"]
