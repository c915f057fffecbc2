"""A matcher over the correlation of local descriptors: every place of the query is compared with every place of the candidate.

The map of a tile becomes one descriptor per place: a 1 x 1 convolution, L2-normalised. An index stores the descriptors, and the
tail computes the cosine of all pairs of places. From it the tail takes, for both sides with the same weights:

- the evidence of each place: its best matches in the other tile, through a residual-dyad of 1 x 1 layers, then pooled;
- Hough-like votes: the mean correlation of all places that are displaced alike, for each quarter turn of the candidate.

No layer looks at the position of a place otherwise, so that the result is the same for tiles that are turned by quarters, and
match(a, b) = match(b, a). After CVNet (arXiv 2204.01458), AMES (2408.03282) and R2Former (2304.03410), with the block of the
residual-dyad paper (section IV-B).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.matcher.displacements import vote_matrix
from models.matcher.networks import MapShape
from models.matcher.pair_features import PairFeatures

LARGEST = 2048
"""Largest number of stored values, and so bytes, of a tile."""
DESCRIPTOR = 56
WIDTH = 24
BEST = 3
"""Number of best matches of a place that are evidence; a map must have at least as many places."""
EVIDENCE = BEST + 3
START_SCALE, START_BEST = 20.0, 0.5
"""Before training, log-odds are START_SCALE * (mean best match - START_BEST)."""
_GAIN = 10.0
"""The two parameters of the untrained score are stored in this unit, so that the learning rate of the others suits them."""
_TEMPERATURE = 0.1


class Comparison(NamedTuple):
    """Result of comparing one query with M candidates.

    logits: (M, 2) no match, match. query_places, candidate_places: (M, h * w) in [0, 1], the best match of each place.
    """

    logits: Tensor
    query_places: Tensor
    candidate_places: Tensor


class CorrelationMatcher(PairFeatures):
    """A matcher with the interface of `SplitMatcher`; query and candidate features are the same descriptors.

    map_shape: (C, h, w) of one map. hidden: K, dimension of a descriptor, at most C. head: width of the layers over places.

    Raises:
        ValueError: K h w above 2 048, K above C, or fewer than three places.
    """

    def __init__(self, map_shape: MapShape, *, hidden: int = DESCRIPTOR, head: int = WIDTH) -> None:
        super().__init__()
        channels, height, width = map_shape
        if not 1 <= hidden <= channels:
            raise ValueError(f"descriptors of {hidden} values: maps of {channels} channels allow 1 to {channels}")
        if height * width < BEST or hidden * height * width > LARGEST:
            raise ValueError(
                f"{height} x {width} descriptors of {hidden} values: there must be at least {BEST} places, "
                f"and at most {LARGEST} values in all; use a smaller map or fewer values"
            )
        self.map_shape: MapShape = (channels, height, width)
        self.hidden, self.head = hidden, head
        self.block: Literal["correlation"] = "correlation"
        self.projection = nn.Conv2d(channels, hidden, kernel_size=1)
        self.tail_network = CorrelationTail((height, width), head)

    @torch.no_grad()
    def fit_projection(self, maps: Tensor) -> None:
        """Set the projection to a PCA whitening of the maps' places, which needs no labels.

        maps: (N, C, h, w) float32 of a sample of tiles.

        Raises:
            ValueError: maps of another shape.
        """
        if tuple(maps.shape[1:]) != self.map_shape or len(maps) == 0:
            raise ValueError(f"maps of shape {tuple(maps.shape)}: this matcher takes (N, *{self.map_shape}), N at least 1")
        places = maps.movedim(1, -1).flatten(0, -2).double()  # (N h w, C)
        mean = places.mean(0)
        centred = places - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(places))
        values, vectors = values.flip(0)[: self.hidden], vectors.flip(1)[:, : self.hidden]
        # the last components are noise where places are few; without this they would count as much as the first
        weight = (vectors / (values + 1e-3 * values.mean() + 1e-12).sqrt()).T
        self.projection.weight.copy_(weight[:, :, None, None])
        self.projection.get_parameter("bias").copy_(-weight @ mean)

    def query_half(self, query: Tensor) -> Tensor:
        """Descriptors: (Q, C, h, w) float32 maps to (Q, K, h, w) float32, of unit length at each place."""
        return functional.normalize(self.projection(query), dim=1)

    def candidate_half(self, candidate: Tensor) -> Tensor:
        """Descriptors, which an index stores: (M, C, h, w) float32 maps to (M, K, h, w) float32."""
        return self.query_half(candidate)

    def compare(self, query_half: Tensor, candidate_half: Tensor) -> Comparison:
        """Finish the comparison, and find the places that match.

        query_half: (1, K, h, w), one query for all candidates, or (M, K, h, w). candidate_half: (M, K, h, w).
        """
        comparison: Comparison = self.tail_network(query_half.flatten(2), candidate_half.flatten(2))
        return comparison

    def tail(self, query_half: Tensor, candidate_half: Tensor) -> Tensor:
        """The (M, 2) logits of `compare`: no match, match."""
        return self.compare(query_half, candidate_half).logits


class CorrelationTail(nn.Module):
    """All layers of the matcher after the descriptors.

    size: (h, w) of the map. width: H of the layers over places. The untrained network gives a multiple of the mean best match.
    """

    votes: Tensor

    def __init__(self, size: tuple[int, int], width: int = WIDTH) -> None:
        super().__init__()
        votes, self._rings = vote_matrix(size)
        self.register_buffer("votes", votes, persistent=False)
        self.places = PlaceNetwork(width)
        self.log_temperature = nn.Parameter(torch.tensor(_TEMPERATURE).log())
        features = 2 * width + 2 * len(self._rings) + 3
        self.norm = nn.BatchNorm1d(features)
        self.mix = nn.Linear(features, width)
        self.out = nn.Linear(width, 2)
        self.scale = nn.Parameter(torch.tensor(START_SCALE / _GAIN))
        self.offset = nn.Parameter(torch.tensor(-START_SCALE * START_BEST / _GAIN))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, query: Tensor, candidates: Tensor) -> Comparison:
        """Compare descriptors. query: (1, K, L) or (M, K, L), candidates: (M, K, L) float32, L = h w places."""
        count = candidates.shape[0]  # not len(), which an export would take for a constant
        correlation = query.transpose(1, 2) @ candidates  # (M, L, L): query place, candidate place
        both = torch.cat((correlation, correlation.transpose(1, 2)))  # (2 M, L, L): a row for each place of either side
        softmax = (both * (-self.log_temperature).exp()).softmax(2)
        mutual = softmax[:count] * softmax[count:].transpose(1, 2)  # (M, L, L), near 1 where two places prefer each other
        own = torch.cat((_own_mean(query).expand(count, -1), _own_mean(candidates)))
        evidence = torch.cat(
            (both.topk(BEST, dim=2).values, torch.stack((both.mean(2), torch.cat((mutual.sum(2), mutual.sum(1))), own), 2)), 2
        )  # (2 M, L, EVIDENCE)
        pooled = self.places(evidence)
        best = evidence[:, :, 0]
        mean_best = (best[:count] + best[count:]).mean(1)
        sides = torch.stack((mean_best, correlation.mean((1, 2)), (own[:count] + own[count:]).mean(1)), 1)
        features = torch.cat((pooled[:count] + pooled[count:], self._vote(correlation), self._vote(mutual), sides), 1)
        residual = self.out(self.mix(self.norm(features)).relu())
        start = _GAIN * (self.scale * mean_best / 2 + self.offset)
        logits = residual + torch.stack((torch.zeros_like(start), start), 1)
        places = best.clamp(0, 1)
        return Comparison(logits, places[:count], places[count:])

    def _vote(self, correlation: Tensor) -> Tensor:
        """(M, L, L) to (M, rings): the strongest vote of each ring of displacements, over all turns."""
        votes = correlation.flatten(1) @ self.votes
        return torch.stack([part.amax(1) for part in torch.split(votes, self._rings, dim=1)], 1)


class PlaceNetwork(nn.Module):
    """A residual-dyad of 1 x 1 layers over the evidence of places, and mean and maximum over the places of a tile."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(EVIDENCE)
        self.enter = nn.Linear(EVIDENCE, width)
        self.block_a = _residual(width)
        self.block_b = _residual(width)
        self.shortcut = nn.Linear(width, width, bias=False)

    def forward(self, evidence: Tensor) -> Tensor:
        """(N, L, EVIDENCE) to (N, 2 H)."""
        count, places, _ = evidence.shape
        phi = self.enter(self.norm(evidence.flatten(0, 1)))
        varphi = phi + self.block_a(phi)
        x = (self.shortcut(varphi) + self.block_b(varphi)).relu().reshape(count, places, -1)
        return torch.cat((x.mean(1), x.amax(1)), 1)


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def _own_mean(descriptors: Tensor) -> Tensor:
    """(N, K, L) to (N, L): how similar a place is to its own tile on average, the opposite of distinctive."""
    return (descriptors.mean(2, keepdim=True) * descriptors).sum(1)
