"""The decision of the gate from its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from app.services.reindex.judging.comparison import Neighbours
from app.services.reindex.judging.evidence import Change
from app.services.reindex.replay import SLOWER, SLOWER_MS, is_slow

SAME = 0.98
"""Share of common results above which both indexes give the same results."""
SAME_COSINE = 0.002
"""Mean difference of cosines below which a learned head is the old one; float16 differs by less."""
MIN_QUERIES, MIN_PLACES = 10, 8
"""With fewer queries, or queries from fewer places, the mean average precision is not compared."""
MIN_COHERENCE = 0.005
"""Labels that random labels match with a larger probability are not evidence."""
MAX_REST_LOSS = 0.005
"""Accepted loss over the collection by tiles of unseen labels, however much the learned labels gain."""
LEAST_AGREEMENT = 0.4
"""Agreement of the rankings of unlabelled tiles below which a head changes too much that no label describes."""

Decision = Literal["passed", "refused", "undecided"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the comparison. decision: `passed`: switch to the new index; `refused`: it is worse; `undecided`: a person
    decides. reason: one line. numbers: all figures, as JSON.
    """

    decision: Decision
    reason: str
    numbers: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether to switch to the new index."""
        return self.decision == "passed"


@dataclass(frozen=True, slots=True)
class Figures:
    """What the gate measured. tiles: number of compared tiles. queries, places, classes: of the labelled queries. neighbours:
    of any tiles. rest: of unlabelled tiles. quality: None if it was not compared. margin: accepted loss. is_taught: the new
    model is another one that learned from the collection's labels.
    """

    tiles: int
    queries: int
    places: int
    classes: int
    margin: float
    neighbours: Neighbours | None
    rest: Neighbours | None
    latency_ms: dict[str, float] | None
    quality: Quality | None = None
    is_taught: bool = False


@dataclass(frozen=True, slots=True)
class Quality:
    """Mean average precision of the labelled queries. learned: the new model learned from these labels. old, new: mean average
    precisions of the queries. known, unseen: mean changes with and without tiles of the query's label among the learned ones;
    None if not measured. share: of the archive that shows labelled classes. change: estimate for the whole archive. chance:
    probability that random labels agree as well with the nearest tiles, the larger one of both indexes.
    """

    learned: bool
    old: float
    new: float
    known: float
    unseen: float | None
    share: float
    change: Change
    chance: float

    @property
    def rest(self) -> float:
        """Part of the estimated change that tiles of unseen labels contribute."""
        return 0.0 if self.unseen is None else (1 - self.share) * self.unseen


def cannot_compare(figures: Figures) -> str | None:
    """Why the quality cannot be compared; None if it can."""
    if figures.queries < MIN_QUERIES:
        found = f"only {figures.queries} labelled tiles" if figures.queries else "no labelled tile"
        return f"{found} can be searched for with a tile of the same label at another place; {MIN_QUERIES} are needed"
    if figures.places < MIN_PLACES:
        return f"the labelled tiles come from {figures.places} separate places; {MIN_PLACES} are needed"
    if figures.classes < 2:
        return "all labelled tiles have the same label; two labels are needed"
    return None


def is_same(figures: Figures) -> bool:
    """Whether both indexes give the same results."""
    near = figures.neighbours
    return near is None or (near.overlap >= SAME and (near.difference < SAME_COSINE or not figures.is_taught))


def decide(figures: Figures) -> tuple[Decision, str]:
    """The decision and its reason."""
    if is_slow(latency := figures.latency_ms):
        slow = f"searches take {latency['new']:.1f} ms on the new index and {latency['old']:.1f} ms on the old one"
        return "refused", f"{slow}; the limit is {SLOWER:g} times as long plus {SLOWER_MS:g} ms"
    if figures.neighbours is None:
        return "passed", "there are not two tiles to compare"
    if is_same(figures):
        same = f"both indexes give the same results ({100 * figures.neighbours.overlap:.0f} % of the nearest tiles)"
        return ("refused", f"{same}: the model learned nothing new") if figures.is_taught else ("passed", same)
    if figures.quality is None:
        return "undecided", f"quality could not be compared: {cannot_compare(figures)}"
    return _decide_quality(figures.quality, figures)


def _decide_quality(quality: Quality, figures: Figures) -> tuple[Decision, str]:
    change, margin = quality.change, figures.margin
    text = (
        f"mean average precision {quality.old:.4f} before, {quality.new:.4f} now; estimated change over the collection "
        f"{change.mean:+.4f} ({change.low:+.4f} to {change.high:+.4f})"
    )
    if change.mean < -margin:
        return "refused", f"{text}: the loss exceeds the margin of {margin:g}"
    if not quality.learned:
        is_safe = change.low >= -margin
        return ("passed", text) if is_safe else ("undecided", f"{text}: a loss above the margin of {margin:g} is possible")
    if quality.chance > MIN_COHERENCE:
        return "undecided", f"{text}: the labels agree with the most similar tiles hardly better than random labels do"
    if figures.rest is not None and figures.rest.agreement < LEAST_AGREEMENT:
        return "refused", f"{text}; results for unlabelled tiles change too much (agreement {figures.rest.agreement:.2f})"
    if quality.rest < -MAX_REST_LOSS:
        return "undecided", f"{text}, of which {quality.rest:+.4f} by tiles of other labels: these would be found less well"
    return ("passed", text) if change.low > 0 else ("undecided", f"{text}: a gain is not certain")
