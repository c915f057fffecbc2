"""The kinds of matcher that a bundle may contain, by the name of their block."""

from __future__ import annotations

from models.bundle.trained_card import MatcherBlock
from models.matcher.correlation import DESCRIPTOR, WIDTH, CorrelationMatcher
from models.matcher.networks import HEAD, HIDDEN, MapShape
from models.matcher.split import SplitMatcher

PairNetwork = SplitMatcher | CorrelationMatcher
"""A network that compares the features of a query with those of candidates, and trains on pairs of maps."""


def build_matcher(
    map_shape: MapShape, block: MatcherBlock, *, hidden: int | None = None, head: int | None = None
) -> PairNetwork:
    """A new matcher for maps of (C, h, w), initialised from torch's global generator.

    hidden: channels of the query and candidate features. head: channels of the last layers. None: the usual number.

    Raises:
        ValueError: a correlation matcher that does not fit the maps.
    """
    if block == "correlation":
        return CorrelationMatcher(map_shape, hidden=hidden or DESCRIPTOR, head=head or WIDTH)
    return SplitMatcher(map_shape, hidden=hidden or HIDDEN, block=block, head=head or HEAD)
