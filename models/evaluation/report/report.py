"""The report of an evaluation: `report.json` with every number, and `report.html`, a self-contained page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from models.evaluation.evaluate import Evaluation, examples
from models.evaluation.json_values import finite
from models.evaluation.report.html import Page, Section, render
from models.evaluation.report.pictures import PixelsOf
from models.evaluation.report.projection import EmbeddingMap
from models.evaluation.report.sections import (
    class_section,
    confusion_section,
    example_section,
    headline,
    map_section,
    retrieval_section,
)


class ReportFiles(NamedTuple):
    """Paths of a report."""

    json: Path
    html: Path


@dataclass(frozen=True, slots=True)
class Report:
    """A report. page: for people. numbers: for programs; NaN and infinity become null."""

    page: Page
    numbers: Mapping[str, Any]


def evaluation_report(
    evaluation: Evaluation,
    labels: ArrayLike,
    *,
    title: str,
    details: Mapping[str, str] | None = None,
    embedding_map: EmbeddingMap | None = None,
    pixels_of: PixelsOf | None = None,
    extra: Sequence[Section] = (),
    extra_numbers: Mapping[str, Any] | None = None,
) -> Report:
    """The report of one evaluation.

    labels: (N,), as given to `evaluate`. details: facts about the run (model, data, seed).
    embedding_map: of the queries' embeddings. pixels_of: shows retrieved images too. extra: more sections, for instance from
    `sections`, before the confusion matrices; extra_numbers: more values for the JSON.
    """
    sections = [retrieval_section(evaluation)]
    if pixels_of is not None:
        sections.append(example_section(examples(evaluation, labels), pixels_of))
    sections += [class_section(evaluation), *extra]
    if embedding_map is not None:
        sections.append(map_section(evaluation, labels, embedding_map))
    sections.append(confusion_section(evaluation))
    rows = [("protocol", evaluation.protocol.name), ("description", evaluation.protocol.description)]
    rows += [
        ("queries", f"{evaluation.retrieval.queries:,}"),
        ("images ranked per query", f"{evaluation.retrieval.database:,}"),
    ]
    rows += list((details or {}).items())
    page = Page(title, evaluation.protocol.description, headline(evaluation), rows, sections)
    numbers = {"title": title, "details": dict(details or {}), **evaluation.to_dict(), **(extra_numbers or {})}
    return Report(page, numbers)


def write_report(report: Report, folder: Path) -> ReportFiles:
    """Write both files into a folder, which is created if it is missing.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(folder / "report.json", folder / "report.html")
    files.json.write_text(json.dumps(finite(report.numbers), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    files.html.write_text(render(report.page), encoding="utf-8")
    return files
