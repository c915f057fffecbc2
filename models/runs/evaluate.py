"""Measure a bundle on a folder of images: report.json with every number, and report.html with its pictures inside.

    python -m models.runs.evaluate models/ucm --data UCMerced/Images --protocol A-80 --out report
    python -m models.runs.evaluate models/aid --data ucmerced --protocol unseen --out report

The split is that of the training, where the bundle's card knows the images. It needs no torch.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from models.runs.program import UsageError, default_cache, parse_bands, parse_folders, parse_names, run_program

NEEDED = ("matplotlib", "scipy", "sklearn")


def main() -> int:
    """The program; returns its exit status."""
    options = _parse()
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        sys.stderr.write(f'dyad: {", ".join(missing)} is missing; pip install "dyad[train]"\n')
        return 1
    from models.bundle.errors import BundleError
    from models.data.errors import DataError
    from models.evaluation.errors import EvaluationError

    return run_program(lambda: _evaluate(options), (DataError, EvaluationError, BundleError))


def _evaluate(options: argparse.Namespace) -> int:
    from models.evaluation.errors import EvaluationError
    from models.evaluation.protocols import protocol_named
    from models.runs.evaluation.evaluation_run import EvaluationSettings, run_evaluation
    from models.runs.progress import make_progress

    try:
        protocol = protocol_named(options.protocol)
    except EvaluationError as error:
        raise UsageError(str(error)) from None
    if options.classes and options.without_classes:
        raise UsageError("--classes and --without-classes contradict each other; give one of them")
    ((name, folder),) = parse_folders([options.data]).items()
    progress = make_progress(options.progress)
    settings = EvaluationSettings(
        bundle=options.bundle,
        name=name,
        folder=folder,
        protocol=protocol,
        out=options.out,
        cache=options.cache,
        classes=parse_names(options.classes),
        without_classes=parse_names(options.without_classes),
        bands=parse_bands(options.bands),
        depth=options.depth,
        seed=options.seed,
        has_map=options.map,
        threads=options.threads,
    )
    outcome = run_evaluation(settings, progress)
    retrieval = outcome.evaluation.retrieval
    progress.event("report", json=str(outcome.files.json), html=str(outcome.files.html))
    progress.say(
        f"{protocol.name}: mAP {100 * retrieval.mean_average_precision:.2f}  ANMRR {retrieval.anmrr:.3f}  "
        f"MAP@20 {100 * retrieval.map_at_20:.2f}  kNN {100 * retrieval.knn_accuracy:.2f}"
    )
    if (reranked := outcome.reranked) is not None:
        gain = 100 * reranked.report.gain(reranked.weight)
        progress.say(f"re-ranked with weight {reranked.weight:g}: mAP {gain:+.2f}")
    progress.say(f"{outcome.files.html} is written")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m models.runs.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("bundle", type=Path, help="folder of the model's bundle")
    add("--data", required=True, metavar="[NAME=]FOLDER", help="folder of class folders")
    add("--protocol", default="A-80", help="A-80 to A-30, B-20 to B-5, unseen; %(default)s if not given")
    add("--out", type=Path, required=True, metavar="FOLDER", help="of the report")
    add("--classes", metavar="CLASS,...", help="only these")
    add("--without-classes", metavar="CLASS,...", help="all but these")
    add("--bands", metavar="B,...", help="numbers of the bands to use, from 1 on, in order; all if not given")
    add("--depth", type=int, help="places that the matcher re-ranks; the card's if not given")
    add("--seed", type=int, help="of the split; the card's if not given")
    add("--map", action=argparse.BooleanOptionalAction, default=True, help="a t-SNE map of the queries")
    add("--threads", type=int, default=0, help="of the processor; all if not given")
    add("--cache", type=Path, default=default_cache(), metavar="FOLDER", help="of decoded images; %(default)s if not given")
    add("--progress", choices=("bars", "json"), default="bars", help="bars on stderr, or lines of JSON on stdout")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
