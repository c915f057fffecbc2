from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle.runtime import OnnxMatcher
from models.export.write_bundle import Matcher, read_bundle, write_bundle
from models.matcher.correlation import CorrelationMatcher
from models.matcher.quantise import fit_quantisation, quantise
from tests.models.export.tiny import BANDS, SIZE, make_encoder, make_facts


@torch.no_grad()
def test_a_correlation_matcher_goes_through_a_bundle(tmp_path: Path) -> None:
    encoder = make_encoder()
    maps = encoder(torch.randn(6, len(BANDS), SIZE, SIZE)).map
    network = CorrelationMatcher(encoder.map_shape(SIZE), hidden=8, head=8)
    network.fit_projection(maps)
    torch.nn.init.normal_(network.tail_network.out.weight)
    network.eval()
    stored = fit_quantisation(network.candidate_half(maps))
    card = write_bundle(tmp_path / "tiny", encoder, make_facts(), matcher=Matcher(network, stored))
    assert card.matcher is not None
    assert (card.matcher.block, card.matcher.hidden, card.matcher.head) == ("correlation", 8, 8)

    bundle = read_bundle(tmp_path / "tiny")
    assert bundle.matcher is not None
    assert isinstance(bundle.matcher.network, CorrelationMatcher)
    torch.testing.assert_close(bundle.matcher.network(maps, maps.flip(0)), network(maps, maps.flip(0)))

    graphs = OnnxMatcher(tmp_path / "tiny", threads=1)
    assert graphs.has_places
    query = graphs.query_features(maps[:1].numpy())[0]
    pairs = quantise(network.candidate_half(maps), stored).flatten(1).numpy()
    exact = network.compare(network.query_half(maps[:1]), network.candidate_half(maps))
    log_odds = (exact.logits[:, 1] - exact.logits[:, 0]).numpy()
    assert graphs.log_odds(query, pairs) == pytest.approx(log_odds, abs=0.05 * float(np.abs(log_odds).max()))
    for found, wanted in zip(graphs.places(query, pairs), (exact.query_places, exact.candidate_places), strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=0.03)
    assert graphs.log_odds(query, pairs[:1]).shape == (1,)
