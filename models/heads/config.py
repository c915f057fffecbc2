"""How a head is trained: every choice in one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.heads.errors import HeadError

_Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


class HeadRecipe(BaseModel):
    """The joint loss of HR-S2DML over a linear head that begins as the base's own.

    tau, margin, rankness, rank_tau: of `JointLoss`. keep: how much the embeddings of unlabelled tiles hold on to where the base
    put them, so that classes nobody labelled stay apart; 0 lets go. rounds, steps: rounds of so many updates; after each a
    head may be chosen. labelled_batch, unlabelled_batch: rows in an update. rate: of Adam at the start, in units of the mean
    size of a weight; it falls to 0 along a cosine. prototype_rate: of the class directions, in units of theirs. folds: of the
    cross-fitting that chooses the round and calibrates. unlabelled: rows that are drawn from the whole collection, at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tau: _Above0 = 0.05
    margin: Annotated[float, Field(ge=0, lt=1.57)] = 0.7
    rankness: _Share = 1.0
    rank_tau: _Above0 = 0.1
    keep: _Share = 20.0
    rounds: _Count = 15
    steps: _Count = 20
    labelled_batch: _Count = 256
    unlabelled_batch: _Count = 256
    rate: _Above0 = 0.03
    prototype_rate: _Above0 = 0.01
    folds: Annotated[int, Field(ge=2)] = 3
    unlabelled: Annotated[int, Field(ge=0)] = 20_000

    @classmethod
    def with_changes(cls, changes: Mapping[str, Any]) -> HeadRecipe:
        """The usual recipe, some fields of it changed.

        Raises:
            HeadError: no such field, or a value out of range.
        """
        try:
            return cls(**changes)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            known = f"; the recipe 'head' has {', '.join(cls.model_fields)}" if first["type"] == "extra_forbidden" else ""
            raise HeadError(f"recipe: {where}: {first['msg']}{known}") from None
