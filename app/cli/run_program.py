"""Runs programs of `models` as child processes; `app` does not import them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from app.errors import NotFound, StartupError
from app.python_modules import missing_modules, module_command, module_environment

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def check_installed(*modules: str) -> None:
    """Check that the modules that a program needs are installed.

    Raises:
        StartupError: a module is not installed.
    """
    if missing := missing_modules(*modules):
        raise StartupError(f'{", ".join(missing)} is not installed; pip install "dyad[train]"')


def run_module(module: str, arguments: Sequence[str]) -> int:
    """Run `python -m module` on the streams of this command. Returns its exit status, or 128 + the signal that ended it.

    The child has its own process group, and this process forwards signals: the child receives each Ctrl-C once.
    """
    command = module_command(module, arguments)
    with subprocess.Popen(command, env=module_environment(), process_group=0) as child:  # noqa: S603 - our own program

        def forward(number: int, frame: FrameType | None) -> None:
            child.send_signal(number)

        before = {number: signal.signal(number, forward) for number in _FORWARDED}
        try:
            status = child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def find_bundle(name_or_folder: str, home: Path) -> Path:
    """The folder of a bundle, from its path or from its identifier: in `home`, or among the bundled models.

    Raises:
        NotFound: no such folder or identifier.
    """
    from app.inference.local_models import BUNDLED  # slow to import, and few commands need it

    for folder in (Path(name_or_folder), home / "models" / name_or_folder, BUNDLED / name_or_folder):
        if (folder / "card.json").is_file():
            return folder
    raise NotFound(
        f"{name_or_folder}: not a folder with a card.json, and no such model in {home / 'models'}; see `dyad models list`"
    )


def as_arguments(options: Mapping[str, object]) -> list[str]:
    """Options by name as command line arguments. None and False are omitted, True is a flag, a list repeats the option."""
    arguments: list[str] = []
    for name, value in options.items():
        if value is True:
            arguments.append(name)
        elif isinstance(value, list | tuple):
            arguments += [f"{name}={each}" for each in value]
        elif value is not None and value is not False:
            arguments.append(f"{name}={value}")
    return arguments
