"""A self-contained HTML page: styles and images inside, no script, and a content security policy that forbids requests."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure at the top of the page. note: what it means, in a few words."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image. content: bytes of an image file. alt: text alternative. caption: below it. wide: over the whole width."""

    content: bytes
    kind: Literal["svg+xml", "jpeg", "png"]
    alt: str
    caption: str = ""
    wide: bool = False

    @property
    def data_url(self) -> str:
        """The image as a `data:` URL."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows. wide: over the whole width."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a note below it, and blocks side by side as the width allows."""

    title: str
    note: str
    blocks: Sequence[Picture | Table]


@dataclass(frozen=True, slots=True)
class Page:
    """title, subtitle, headline: the top of the page. sections: its content, listed in the navigation. details: names and
    values of the last section."""

    title: str
    subtitle: str
    headline: Sequence[Fact]
    details: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def render(page: Page) -> str:
    """The document as HTML; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("models.evaluation", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=page)
