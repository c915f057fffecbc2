"""The report's two files, the page as a browser's parser reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.evaluation.aggregate import curve, sensitivity
from models.evaluation.evaluate import evaluate
from models.evaluation.metrics.calibration import ScoredPairs, calibrate
from models.evaluation.metrics.rerank import Quality, RerankReport, Weights
from models.evaluation.protocols import residual_dyad
from models.evaluation.report import sections
from models.evaluation.report.pictures import Cell, sheet
from models.evaluation.report.projection import EmbeddingMap
from models.evaluation.report.report import Report, evaluation_report, write_report

HOSTILE = '<script>alert(1)</script> & "quotes"'


class Links(HTMLParser):
    """Collects tags, ids and everything that a browser would load or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.without_alt = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.addresses += [values[name] or "" for name in ("src", "href", "srcset", "data", "action") if name in values]
        self.ids += [values["id"] or ""] if "id" in values else []
        self.without_alt += tag == "img" and not values.get("alt")


def report() -> Report:
    labels = np.array(["beach", "forest", "river"])[np.arange(60) % 3]
    vectors = np.eye(3, 6)[np.arange(60) % 3] + np.random.default_rng(0).normal(0, 0.4, (60, 6))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    evaluation = evaluate(vectors, labels, residual_dyad(), np.arange(30), np.arange(30, 60), ks=(5, 10))
    logits = np.linspace(-3, 3, 60)
    pairs = ScoredPairs(logits, logits + np.tile([1, -1], 30) > 0)
    quality = Quality(0.7, 0.2, 0.9, 0.8, 0.7)
    extra = [
        sections.rerank_section(
            {"AID": RerankReport(5, 100, quality, {Weights(0.5): Quality(0.75, 0.1, *[0.9] * 3)})}, Weights(0.5)
        ),
        sections.calibration_section(calibrate(pairs, pairs)),
        sections.split_section({"mAP": curve({0.3: 0.5, 0.8: [0.8, 0.82]})}, "Split ratios"),
        sections.folds_section({"mAP": [0.8, 0.9]}),
        sections.sensitivity_section(sensitivity({(0.05, 0.5): 0.9, (0.1, 0.5): 0.91}), "kNN accuracy"),
        sections.picture_section("Reconstructions", "", sheet([[Cell(np.zeros((8, 8, 3), np.uint8))]])),
    ]

    def pixels_of(index: int) -> NDArray[np.uint8]:
        return np.full((8, 8, 3), index, np.uint8)

    shown = EmbeddingMap(np.arange(30), vectors[30:, :2].astype(np.float32), "tsne")
    return evaluation_report(
        evaluation,
        labels,
        title=HOSTILE,
        details={"model": HOSTILE},
        embedding_map=shown,
        pixels_of=pixels_of,
        extra=extra,
        extra_numbers={"gone": float("nan")},
    )


def test_the_page_holds_all_it_shows_and_asks_nobody(tmp_path: Path) -> None:
    files = write_report(report(), tmp_path / "new" / "folder")
    text = files.html.read_text(encoding="utf-8")
    page = Links()
    page.feed(text)
    outside = [each for each in page.addresses if not each.startswith(("data:image/", "#"))]
    assert outside == []
    assert page.tags.count("img") > 10
    assert page.without_alt == 0
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "default-src 'none'" in text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert len(page.ids) == len(set(page.ids))
    assert {each[1:] for each in page.addresses if each.startswith("#")} <= set(page.ids)


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    text = write_report(report(), tmp_path).html.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;quotes&#34;" in text


def test_the_numbers_are_plain_json(tmp_path: Path) -> None:
    made = report()
    numbers = json.loads(write_report(made, tmp_path).json.read_text(encoding="utf-8"))
    assert numbers["title"] == HOSTILE
    assert numbers["protocol"]["name"] == "A-80"
    assert 0 <= numbers["retrieval"]["mean_average_precision"] <= 1
    assert numbers["gone"] is None
    headline = {fact.name: fact.value for fact in made.page.headline}
    assert headline["mAP"] == f"{100 * numbers['retrieval']['mean_average_precision']:.2f}"
    assert headline["NMI"] == f"{100 * numbers['clustering']['nmi']:.2f}"


def test_importing_the_report_imports_no_torch() -> None:
    code = "import models.evaluation.report.report, sys; print(any(name.split('.')[0] == 'torch' for name in sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
