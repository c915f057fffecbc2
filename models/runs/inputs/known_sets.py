"""Titles and terms of the data sets from which the bundled models are trained."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TERMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ucmerced": ("UC Merced Land Use", "USGS imagery, public domain; cite Yang and Newsam 2010"),
        "aid": ("AID", "research use (Google Earth imagery); cite Xia et al. 2017"),
    }
)
"""Title and terms by the name of a data set's folder."""
