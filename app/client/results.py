"""Items and search results: a sequence, a table of geopandas, and pictures in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, overload

from typing_extensions import override

if TYPE_CHECKING:
    import geopandas

SHOWN = 24
"""Results that a notebook shows."""


@dataclass(frozen=True, slots=True)
class Result:
    """An item, or a search result. feature: the GeoJSON feature."""

    feature: dict[str, Any]

    @property
    def id(self) -> str:
        """The identifier of the item."""
        return str(self.feature["id"])

    @property
    def properties(self) -> dict[str, Any]:
        """All properties."""
        found: dict[str, Any] = self.feature["properties"]
        return found

    @property
    def labels(self) -> list[str]:
        """The labels of the item."""
        return list(self.properties.get("labels") or ())

    @property
    def score(self) -> float | None:
        """The score that ranks a search result."""
        return self.properties.get("score")

    @property
    def match_probability(self) -> float | None:
        """The match probability of a re-ranked search result."""
        return self.properties.get("match_probability")

    @property
    def thumbnail(self) -> str:
        """The URL of the picture."""
        return str(self.properties["thumbnail"])

    def _repr_html_(self) -> str:
        chance = "" if self.match_probability is None else f" {self.match_probability:.0%}"
        name = escape(str(self.properties.get("file_name", self.id)))
        picture = f'<img src="{escape(self.thumbnail)}" width="128" alt="{name}">'
        labels = escape(", ".join(self.labels))
        caption = f"<figcaption>{name}{chance}<br>{labels}</figcaption>"
        return f'<figure style="display:inline-block;margin:4px">{picture}{caption}</figure>'


class Results(Sequence[Result]):
    """Items or search results. document: the GeoJSON answer, with the features of all pages that were read."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    @property
    def features(self) -> list[dict[str, Any]]:
        """The GeoJSON features."""
        found: list[dict[str, Any]] = self.document["features"]
        return found

    @property
    def matched(self) -> int:
        """How many there are on the service."""
        return int(self.document["numberMatched"])

    @property
    def about(self) -> dict[str, Any]:
        """The other members of the answer."""
        return {name: value for name, value in self.document.items() if name not in ("features", "links")}

    @overload
    def __getitem__(self, at: int) -> Result: ...

    @overload
    def __getitem__(self, at: slice) -> Results: ...

    @override
    def __getitem__(self, at: int | slice) -> Result | Results:
        if isinstance(at, slice):
            return Results({**self.document, "features": self.features[at]})
        return Result(self.features[at])

    @override
    def __len__(self) -> int:
        return len(self.features)

    @override
    def __iter__(self) -> Iterator[Result]:
        return map(Result, self.features)

    @override
    def __repr__(self) -> str:
        return f"<{len(self)} of {self.matched} results>"

    @property
    def ids(self) -> list[str]:
        """The identifiers of the items."""
        return [each.id for each in self]

    def to_geojson(self) -> dict[str, Any]:
        """A GeoJSON feature collection."""
        return {"type": "FeatureCollection", "features": self.features}

    def to_geodataframe(self) -> geopandas.GeoDataFrame:
        """A table with a row per result, in WGS 84. Needs geopandas."""
        import geopandas
        from shapely.geometry import shape

        places = [None if each["geometry"] is None else shape(each["geometry"]) for each in self.features]
        rows = [{"id": each["id"], **each["properties"]} for each in self.features]
        return geopandas.GeoDataFrame(rows, geometry=places, crs="EPSG:4326")

    def _repr_html_(self) -> str:
        shown = "".join(each._repr_html_() for each in self[:SHOWN])
        return f"<p>{len(self)} of {self.matched} results</p>{shown}"
