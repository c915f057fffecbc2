"""Evaluate a model bundle on a folder of images; writes report.json and a self-contained report.html.

    python -m models.runs.evaluate models/ucm --data UCMerced/Images --protocol A-80 --out report
    python -m models.runs.evaluate models/aid --data ucmerced --protocol unseen --out report

If the bundle's card records these images, the split of its training is used. Does not need PyTorch.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from models.runs.command_line import UsageError, default_cache, parse_bands, parse_folders, parse_names, run_program

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
    from models.runs.progress_output import make_progress

    try:
        protocol = protocol_named(options.protocol)
    except EvaluationError as error:
        raise UsageError(str(error)) from None
    if options.expand < 0:
        raise UsageError(f"--expand {options.expand}: pass the number of nearest images that join each query, or 0")
    if options.classes and options.without_classes:
        raise UsageError("--classes and --without-classes exclude each other; give one of them")
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
        ranks_by_matcher=options.rank_by == "matcher",
        expand=options.expand,
    )
    outcome = run_evaluation(settings, progress)
    retrieval = outcome.evaluation.retrieval
    progress.event("report", json=str(outcome.files.json), html=str(outcome.files.html))
    progress.say(
        f"{protocol.name}: mAP {100 * retrieval.mean_average_precision:.2f}  ANMRR {retrieval.anmrr:.3f}  "
        f"MAP@20 {100 * retrieval.map_at_20:.2f}  k-NN accuracy {100 * retrieval.knn_accuracy:.2f}"
    )
    if (reranked := outcome.reranked) is not None:
        before, after = reranked.report.before, reranked.report.at(*reranked.weights)
        progress.say(
            f"re-ranked with weight {reranked.weights}: P@10 {_change(before.precision_at_10, after.precision_at_10)}  "
            f"P@50 {_change(before.precision_at_50, after.precision_at_50)}  "
            f"mAP@{reranked.report.depth} {_change(before.map_at_depth, after.map_at_depth)}  "
            f"mAP {_change(before.mean_average_precision, after.mean_average_precision)}"
        )
    if (by_matcher := outcome.by_matcher) is not None:
        progress.say(
            f"all ranked by the matcher: mAP {100 * by_matcher.mean_average_precision:.2f}  ANMRR {by_matcher.anmrr:.3f}"
        )
    if (expanded := outcome.expanded) is not None:
        progress.say(
            f"queries expanded by their {options.expand} nearest: mAP {100 * expanded.mean_average_precision:.2f}  "
            f"ANMRR {expanded.anmrr:.3f}  k-NN accuracy {100 * expanded.knn_accuracy:.2f}"
        )
    progress.say(f"wrote {outcome.files.html}")
    return 0


def _change(before: float, after: float) -> str:
    return f"{100 * before:.2f} to {100 * after:.2f}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m models.runs.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("bundle", type=Path, help="folder of the model bundle")
    add("--data", required=True, metavar="[NAME=]FOLDER", help="folder with one sub-folder of images per class")
    add("--protocol", default="A-80", help="A-80 to A-30, B-20 to B-5, or unseen (default: %(default)s)")
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder of the report")
    add("--classes", metavar="CLASS,...", help="evaluate only these classes")
    add("--without-classes", metavar="CLASS,...", help="leave these classes out")
    add("--bands", metavar="B,...", help="bands to use, in order, counted from 1 (default: all)")
    add("--depth", type=int, help="number of results to re-rank (default: the card's)")
    add(
        "--rank-by",
        choices=("embedding", "matcher"),
        default="embedding",
        help="matcher: also rank all images by the matcher alone, as in the residual-dyad paper (slow)",
    )
    add("--expand", type=int, default=0, metavar="N", help="also expand each query by its N nearest images (default: 0, off)")
    add("--seed", type=int, help="seed of the split (default: the card's)")
    add("--map", action=argparse.BooleanOptionalAction, default=True, help="add a t-SNE map of the queries")
    add("--threads", type=int, default=0, help="number of CPU threads (default: all)")
    add("--cache", type=Path, default=default_cache(), metavar="FOLDER", help="folder of decoded images (default: %(default)s)")
    add("--progress", choices=("bars", "json"), default="bars", help="progress bars on stderr, or JSON lines on stdout")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
