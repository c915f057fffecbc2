from __future__ import annotations

import pytest
import torch

from models.training.loop.precision import usable_precision


@pytest.mark.parametrize(
    ("capability", "expected"), [("DEFAULT", "fp32"), ("AVX2", "fp32"), ("AVX512", "bf16"), ("SVE256", "bf16")]
)
def test_bf16_only_where_it_is_no_slower(capability: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert usable_precision("bf16", torch.device("cpu")) == expected
    assert usable_precision("bf16", torch.device("cuda")) == "bf16"
    assert usable_precision("fp32", torch.device("cuda")) == "fp32"
