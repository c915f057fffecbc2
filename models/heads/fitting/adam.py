"""Adam (Kingma and Ba, 2015), in place, over NumPy arrays: heads are trained without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-12


class Adam:
    """The optimiser; its updates are about as large as an array's rate, whatever the scale of the gradient."""

    def __init__(self, arrays: Sequence[NDArray[np.floating[Any]]]) -> None:
        """arrays: updated in place by `step`."""
        self._arrays = arrays
        self._means = [np.zeros_like(each) for each in arrays]
        self._squares = [np.zeros_like(each) for each in arrays]
        self._steps = 0

    def step(self, gradients: Sequence[NDArray[np.floating[Any]]], rates: Sequence[float]) -> None:
        """One update. gradients, rates: one for each array."""
        self._steps += 1
        first, second = 1 - _FIRST**self._steps, 1 - _SECOND**self._steps
        for place, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
            self._means[place] += (1 - _FIRST) * (gradient - self._means[place])
            self._squares[place] += (1 - _SECOND) * (gradient * gradient - self._squares[place])
            deviation = np.sqrt(self._squares[place] / second) + _TINY
            self._arrays[place][...] -= rate * self._means[place] / first / deviation
