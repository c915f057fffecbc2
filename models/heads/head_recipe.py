"""The recipe of a head's training: all its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.heads.errors import HeadError

_Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


class HeadRecipe(BaseModel):
    """Settings of fitting a linear head with the joint loss of HR-S2DML, starting from the base model's head.

    tau, margin, rankness, rank_tau, open_world: of `JointLoss`. weaker_rankness: a second value of `rankness`, below the first;
    cross-fitting takes the one whose heads exceed chance more. Where unlabelled tiles show the labelled classes, a large value
    learns from them; where few do, it draws tiles of other classes to the labelled ones. None: only `rankness`. retain: weight
    of the term that preserves similarities between unlabelled tiles, so that classes without labels stay separated; 0 disables
    it. keep: weight of the term that keeps each unlabelled tile near its old embedding. rounds, steps: their product is the
    number of updates; `rounds` is also the number of heads between the base model's and the fitted one among which cross-
    fitting chooses. labelled_batch, unlabelled_batch: rows per update; each label has an equal share of the labelled ones.
    rate: Adam's learning rate at the start, in units of the mean absolute weight; it falls to 0 along a cosine. prototype_rate:
    the same for the class prototypes. folds: of the cross-fitting that chooses the head and calibrates. unlabelled: maximum
    number of unlabelled tiles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tau: _Above0 = 0.05
    margin: Annotated[float, Field(ge=0, lt=1.57)] = 0.7
    rankness: _Share = 0.5
    weaker_rankness: _Share | None = 0.05
    rank_tau: _Above0 = 0.1
    open_world: bool = True
    retain: _Share = 200.0
    keep: _Share = 0.0
    rounds: _Count = 15
    steps: _Count = 20
    labelled_batch: _Count = 256
    unlabelled_batch: _Count = 256
    rate: _Above0 = 0.03
    prototype_rate: _Above0 = 0.01
    folds: Annotated[int, Field(ge=2)] = 3
    unlabelled: Annotated[int, Field(ge=0)] = 20_000

    def variants(self) -> tuple[HeadRecipe, ...]:
        """The recipes among which cross-fitting chooses, the more careful one first."""
        only = self.model_copy(update={"weaker_rankness": None})
        if self.weaker_rankness is None or self.weaker_rankness >= self.rankness:
            return (only,)
        return (only.model_copy(update={"rankness": self.weaker_rankness}), only)

    @classmethod
    def with_changes(cls, changes: Mapping[str, Any]) -> HeadRecipe:
        """The default recipe with some fields changed.

        Raises:
            HeadError: an unknown field, or a value out of range.
        """
        try:
            return cls(**changes)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            known = (
                f"; the fields of the recipe 'head' are {', '.join(cls.model_fields)}"
                if first["type"] == "extra_forbidden"
                else ""
            )
            raise HeadError(f"recipe: {where}: {first['msg']}{known}") from None
