from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.backbones.encoder import Encoder
from models.backbones.registry import ENCODERS
from models.bundle.errors import BundleError, ParityError
from models.bundle.sessions import open_session
from models.export.onnx_graphs import QuantisedMatcher, export_encoder
from models.export.parity import check_parity
from models.export.write_bundle import read_bundle
from models.matcher.quantise import quantise
from tests.models.export.tiny import BANDS, SIZE, make_encoder, make_matcher


def close(found: NDArray[np.float32], wanted: Tensor) -> bool:
    difference = float(np.abs(found - wanted.numpy()).max())
    return difference <= 1e-4 * max(1.0, float(wanted.abs().max()))


KINDS = sorted({*ENCODERS} - {"efficientnet-lite1", "efficientnet-lite2"})
"""Those two are efficientnet-lite0 with other widths and depths."""


@pytest.mark.parametrize("name", KINDS)
@torch.no_grad()
def test_every_backbone_computes_in_onnx_what_it_computes_in_torch(written_of: Callable[[str], Path], name: str) -> None:
    encoder = make_encoder(name)
    matcher = make_matcher(encoder)
    path = written_of(name) / "encoder.onnx"
    for count in (1, 5):
        tiles = torch.randn(count, len(BANDS), SIZE, SIZE, generator=torch.Generator().manual_seed(count))
        names = ["embedding", "feature", "pair", "map"]
        embedding, feature, pair, map_ = open_session(path).run(names, {"tiles": tiles.numpy()})
        wanted = encoder(tiles)
        assert float(np.abs(embedding - wanted.embedding.numpy()).max()) <= 1e-4
        assert float(wanted.map.abs().max()) > 1e-3  # there is something to compare
        assert close(feature, wanted.feature)
        assert close(map_, wanted.map)
        assert pair.dtype == np.uint8
        stored = quantise(matcher.network.candidate_half(wanted.map), matcher.stored).flatten(1)
        assert int(np.abs(pair.astype(int) - stored.numpy()).max()) <= 1
        assert len(np.unique(pair)) > 20


@torch.no_grad()
def test_query_half_and_tail_are_the_matcher(written: Path) -> None:
    bundle = read_bundle(written)
    assert bundle.matcher is not None
    network = bundle.matcher.network
    generator = torch.Generator().manual_seed(0)
    maps = bundle.encoder(torch.randn(7, len(BANDS), SIZE, SIZE, generator=generator)).map
    (half,) = open_session(written / "query_half.onnx").run(["half"], {"map": maps[:1].numpy()})
    candidates = quantise(network.candidate_half(maps), bundle.matcher.stored).flatten(1)
    tail = open_session(written / "tail.onnx")
    (logits,) = tail.run(["logits"], {"half": half, "pair": candidates.numpy()})
    assert logits.shape == (7, 2)
    exact = network(maps[:1], maps)  # never quantised: bytes may cost a little
    assert float(np.abs(logits - exact.numpy()).max()) < 0.05 * float(exact.abs().max())
    (one,) = tail.run(["logits"], {"half": half, "pair": candidates[3:4].numpy()})
    np.testing.assert_allclose(one[0], logits[3], atol=1e-5)


def test_a_graph_tells_nothing_of_the_machine_that_made_it(written: Path) -> None:
    for path in written.glob("*.onnx"):
        assert str(Path(__file__).parents[3]).encode() not in path.read_bytes()
        assert b"site-packages" not in path.read_bytes()


def test_the_same_network_gives_the_same_bytes_and_is_left_alone(written: Path, tmp_path: Path) -> None:
    encoder = make_encoder().train()
    matcher = make_matcher(make_encoder())
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    export_encoder(tmp_path / "again.onnx", encoder, SIZE, matcher=QuantisedMatcher(matcher.network, matcher.stored))
    assert encoder.training
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert (tmp_path / "again.onnx").read_bytes() == (written / "encoder.onnx").read_bytes()


def test_weights_keep_their_names_in_the_graph(written: Path) -> None:
    """So that a new head can be put into a graph without exporting it again."""
    names = {tensor.name for tensor in onnx.load(written / "encoder.onnx").graph.initializer}
    assert {"encoder.head.weight", "encoder.head.bias"} <= names


def test_a_matcher_of_other_maps_and_examples_of_other_tiles_are_refused(tmp_path: Path) -> None:
    encoder = make_encoder()
    matcher = make_matcher(encoder)
    quantised = QuantisedMatcher(matcher.network, matcher.stored)
    with pytest.raises(BundleError, match=r"maps of \(64, 2, 2\), but the encoder makes \(64, 3, 3\) of 96 pixels"):
        export_encoder(tmp_path / "e.onnx", encoder, 96, matcher=quantised)
    with pytest.raises(BundleError, match="at least two tiles"):
        export_encoder(tmp_path / "e.onnx", encoder, SIZE, examples=torch.zeros(1, len(BANDS), SIZE, SIZE))
    assert not list(tmp_path.iterdir())


class _Trunkless(nn.Module):
    def __init__(self, encoder: Encoder, shift: float) -> None:
        super().__init__()
        self.encoder, self.shift = encoder, shift

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        embedding, feature, _ = self.encoder(tiles)
        return embedding + self.shift, feature


@pytest.mark.parametrize(
    ("shift", "reason"), [(2e-4, "'embedding' differs from PyTorch's by 0.0002"), (float("nan"), "not finite")]
)
def test_a_graph_that_differs_is_refused(written: Path, shift: float, reason: str) -> None:
    inputs = {"tiles": torch.randn(2, len(BANDS), SIZE, SIZE)}
    outputs = ["embedding", "feature"]
    check_parity(written / "encoder.onnx", _Trunkless(make_encoder(), 0.0), inputs, outputs)
    with pytest.raises(ParityError, match=reason):
        check_parity(written / "encoder.onnx", _Trunkless(make_encoder(), shift), inputs, outputs)


def test_an_output_of_another_shape_is_refused(written: Path) -> None:
    inputs = {"tiles": torch.randn(2, len(BANDS), SIZE, SIZE)}
    with pytest.raises(ParityError, match=r"'feature' is float32 \(2, 64\), not float32 \(2, 16\)"):
        check_parity(written / "encoder.onnx", _Trunkless(make_encoder(), 0.0), inputs, ["feature", "embedding"])
