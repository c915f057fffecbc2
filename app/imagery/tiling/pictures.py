"""The model input of a decoded JPEG, PNG or WebP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInput
from app.imagery.pictures.decode import Picture
from app.imagery.pictures.resize import to_square
from app.imagery.tiling.cut_spec import CutSpec
from app.imagery.values import bands, scaling


def picture_pixels(
    picture: Picture, spec: CutSpec, stretch: scaling.Stretch | None = None
) -> tuple[NDArray[np.uint8], scaling.Stretch]:
    """(S, S, B) uint8 model input of an image, and its stretch: the given one, or computed from the image."""
    positions = bands.choose(picture.names, spec.bands, spec.band_count, model=spec.band_names)
    values = picture.values
    if positions != list(range(values.shape[2])):
        values = values[:, :, positions]
    is_final = picture.alpha is None and values.dtype == np.uint8 and spec.scaling.method in ("auto", "none")
    if is_final:
        return to_square(values, spec.input_size), scaling.Stretch(None)
    planes = np.moveaxis(values, -1, 0)
    opaque = np.ones(values.shape[:2], np.bool_) if picture.alpha is None else picture.alpha > 0
    if not opaque.any():
        raise InvalidInput("the image is completely transparent; send an image with opaque pixels")
    valid = np.broadcast_to(opaque, planes.shape)
    stretch = stretch or scaling.fit(spec.scaling, planes, valid)
    return to_square(np.moveaxis(stretch.apply(planes, valid), 0, -1), spec.input_size), stretch
