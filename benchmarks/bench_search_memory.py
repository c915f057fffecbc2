"""Peak memory of a service that answers parallel searches with very large images.

python benchmarks/bench_search_memory.py [--side 10000] [--parallel 6] [--formats "PNG, RGB"] [--decode-mb 768]

A collection of a few tiles is searched by `--parallel` clients at once, each with an image of `--side` x `--side` pixels of one
colour, which is small as a file: PNG (RGB, RGBA, palette), JPEG (baseline, progressive), WebP, TIFF. The service runs in this
process; the memory is the growth of its peak resident size, and the peak itself.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._table import machine_line, print_table
from tests.support.images import jpeg_bytes
from tests.support.service import running_service

COLLECTION = "large"
FORMATS: dict[str, tuple[str, str, dict[str, object]]] = {
    "PNG, RGB": ("RGB", "PNG", {}),
    "PNG, RGBA": ("RGBA", "PNG", {}),
    "PNG, palette": ("P", "PNG", {}),
    "JPEG": ("RGB", "JPEG", {}),
    "JPEG, progressive": ("RGB", "JPEG", {"progressive": True}),
    "WebP": ("RGB", "WEBP", {}),
    "TIFF": ("RGB", "TIFF", {"compression": "tiff_deflate"}),
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=6)
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--decode-mb", type=int, default=768)
    options = parser.parse_args()
    print(machine_line())
    with tempfile.TemporaryDirectory() as folder:
        files = {name: _write(Path(folder), name, options.side) for name in options.formats}
        with running_service(Path(folder) / "home", decode_mb=options.decode_mb) as service:
            service.create(COLLECTION)
            service.upload(COLLECTION, {f"{seed}.jpg": jpeg_bytes(seed) for seed in range(4)})
            rows = []
            for name, path in files.items():
                data, before, begun = path.read_bytes(), _peak(), time.monotonic()
                with ThreadPoolExecutor(options.parallel) as pool:
                    address = f"/collections/{COLLECTION}/search"
                    sent = [
                        pool.submit(service.client.post, address, files={"image": ("query", data)})
                        for _ in range(options.parallel)
                    ]
                codes = [str(answer.result().status_code) for answer in sent]
                peak, seconds = _peak(), time.monotonic() - begun
                rows.append([name, f"{len(data) >> 10}", f"{seconds:.1f}", f"{peak - before}", f"{peak}", " ".join(codes)])
    print_table("Parallel searches with large images", ["image", "KiB", "seconds", "growth, MiB", "peak, MiB", "answers"], rows)


def _write(folder: Path, name: str, side: int) -> Path:
    """Write the image in a child's memory, so that this process stays small."""
    mode, form, options = FORMATS[name]
    path = folder / f"{name}.image"
    arguments = [mode, form, str(side), str(path), repr(options)]
    script = (
        "import sys; from ast import literal_eval; from PIL import Image; Image.MAX_IMAGE_PIXELS = None; "
        "mode, form, side, path, options = sys.argv[1:]; "
        "Image.new('RGB', (int(side),) * 2, (40, 120, 60)).convert(mode).save(path, form, **literal_eval(options))"
    )
    subprocess.run([sys.executable, "-c", script, *arguments], check=True)
    return path


def _peak() -> int:
    """MiB of the largest resident size of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
