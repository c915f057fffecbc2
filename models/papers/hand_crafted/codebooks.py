"""Many local descriptors of an image to one vector: VLAD (Jegou et al. 2010) and Fisher vectors (Perronnin et al. 2010).

Codebooks are learned from training images only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import fisher_vector, learn_gmm
from sklearn.cluster import MiniBatchKMeans  # type: ignore[import-untyped]
from sklearn.decomposition import PCA  # type: ignore[import-untyped]

SAMPLE = 60_000
"""Descriptors that a codebook is learned from."""


@dataclass(frozen=True, slots=True)
class Vlad:
    """centres: (K, D) float32, the visual words."""

    centres: NDArray[np.float32]

    def encode(self, descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, G, D) descriptors to (N, K D): for each word the sum of the differences of its descriptors from it,
        normalised."""
        return np.stack([normalise(self._encode(each)) for each in descriptors])

    def _encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        values = image.astype(np.float32)
        # the nearest centre: |x - c|^2 without |x|^2
        word = (np.square(self.centres).sum(axis=1) - 2 * values @ self.centres.T).argmin(axis=1)
        sums = np.zeros_like(self.centres)
        np.add.at(sums, word, values - self.centres[word])
        return sums.ravel()


@dataclass(frozen=True, slots=True)
class Fisher:
    """pca: decorrelates the dimensions, which diagonal covariances assume. mixture: of K Gaussians."""

    pca: Any
    mixture: Any

    def encode(self, descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, G, D) descriptors to (N, 2 K d + K): gradients by the weights, means and deviations, normalised."""
        return np.stack([normalise(self._encode(each)) for each in descriptors])

    def _encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        projected = self.pca.transform(image.astype(np.float64))
        return np.asarray(fisher_vector(projected, self.mixture), dtype=np.float32)  # type: ignore[no-untyped-call]


def fit_vlad(descriptors: NDArray[np.uint8], words: int, seed: int = 0) -> Vlad:
    """Learn K words by k-means from the (N, G, D) descriptors of training images."""
    means = MiniBatchKMeans(words, n_init=3, random_state=seed).fit(_sample(descriptors, seed))
    return Vlad(means.cluster_centers_.astype(np.float32))


def fit_fisher(descriptors: NDArray[np.uint8], gaussians: int, dimensions: int, seed: int = 0) -> Fisher:
    """Learn a PCA and a mixture of K Gaussians from the (N, G, D) descriptors of training images."""
    sample = _sample(descriptors, seed).astype(np.float64)
    pca = PCA(dimensions, whiten=True, random_state=seed).fit(sample)
    # flat patches are equal: a Gaussian of these only would have zero variance
    options = {"covariance_type": "diag", "random_state": seed, "reg_covar": 1e-2, "tol": 1e-2}
    mixture = learn_gmm(pca.transform(sample), n_modes=gaussians, gm_args=options)  # type: ignore[no-untyped-call]
    return Fisher(pca, mixture)


def normalise(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The signed square root of each number, then length 1 (0 stays 0)."""
    rooted = np.sign(vector) * np.sqrt(np.abs(vector))
    return np.asarray(rooted / max(float(np.linalg.norm(rooted)), np.finfo(np.float32).tiny), dtype=np.float32)


def _sample(descriptors: NDArray[np.uint8], seed: int) -> NDArray[np.float32]:
    flat = descriptors.reshape(-1, descriptors.shape[-1])
    chosen = np.random.default_rng(seed).permutation(len(flat))[:SAMPLE]
    return np.asarray(flat[np.sort(chosen)], dtype=np.float32)
