"""One HTML page that asks nobody for anything: style and pictures inside, no script, and a policy that forbids requests."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of the page's head. note: what it means, in a few words."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """content: of an image file. alt: what it shows, for who cannot see it. caption: below it. wide: over the whole width."""

    content: bytes
    kind: Literal["svg+xml", "jpeg", "png"]
    alt: str
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names the rows, the others are figures. wide: over the whole width."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with a word of explanation, and what is below it side by side as the width allows."""

    title: str
    note: str
    blocks: Sequence[Picture | Table]


@dataclass(frozen=True, slots=True)
class Page:
    """title, subtitle, headline: the head. details: names and values below it. sections: the rest, listed at the side."""

    title: str
    subtitle: str
    headline: Sequence[Fact]
    details: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def render(page: Page) -> str:
    """The whole document."""
    folder = resources.files("models.evaluation.report")
    facts = "".join(
        f'<div class="fact"><dt>{escape(fact.name)}</dt><dd>{escape(fact.value)}</dd><small>{escape(fact.note)}</small></div>'
        for fact in page.headline
    )
    details = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in page.details)
    links = "".join(f'<a href="#s{place}">{escape(section.title)}</a>' for place, section in enumerate(page.sections, 1))
    return Template((folder / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(page.title),
        subtitle=escape(page.subtitle),
        style=(folder / "page.css").read_text(encoding="utf-8"),
        facts=facts,
        details=details,
        links=links,
        sections="".join(_section(section, place) for place, section in enumerate(page.sections, 1)),
    )


def _section(section: Section, place: int) -> str:
    blocks = "".join(_picture(each) if isinstance(each, Picture) else _table(each) for each in section.blocks)
    note = f"<p>{escape(section.note)}</p>" if section.note else ""
    return f'<section id="s{place}"><h2>{escape(section.title)}</h2>{note}<div class="blocks">{blocks}</div></section>'


def _picture(picture: Picture) -> str:
    content = base64.b64encode(picture.content).decode("ascii")
    image = f'<img alt="{escape(picture.alt)}" src="data:image/{picture.kind};base64,{content}">'
    kind = ' class="wide"' if picture.wide else ""
    return f"<figure{kind}>{image}{_caption('figcaption', picture.caption)}</figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in table.rows
    )
    caption = _caption("figcaption", table.caption)
    kind = "table wide" if table.wide else "table"
    return f'<figure class="{kind}"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{caption}</figure>'


def _caption(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>" if text else ""
