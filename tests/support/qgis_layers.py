"""Open a collection and a saved search of a service in QGIS, without a screen, and print what it reads as JSON.

QT_QPA_PLATFORM=offscreen PYTHON_OF_QGIS qgis_layers.py URL COLLECTION SEARCH

Runs under the Python that PyQGIS belongs to (Debian: python3-qgis), so it imports nothing of the project.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlencode

from qgis.core import (  # type: ignore[import-not-found]
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeatureRequest,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsVectorTileLayer,
)
from qgis.PyQt.QtCore import QSize, Qt  # type: ignore[import-not-found]

QUAD = "tiles/WebMercatorQuad/{z}/{x}/{y}"
WIDTH = 512
"""Pixels of the drawn map."""
MERCATOR = "EPSG:3857"


def features(base: str, name: str) -> dict[str, Any]:
    """The layer `name` by the provider of OGC API Features: all features, those of its western half, and its fields."""
    layer = QgsVectorLayer(f"url='{base}' typename='{name}'", name, "OAPIF")
    if not layer.isValid():
        return {"valid": False, "error": layer.error().message()}
    found = list(layer.getFeatures())
    west = layer.extent()
    west.setXMaximum(west.center().x())
    return {
        "valid": True,
        "crs": layer.crs().authid(),
        "ids": [feature["id"] for feature in found],
        "ranks": [feature["rank"] for feature in found] if "rank" in layer.fields().names() else [],
        "west": len(list(layer.getFeatures(QgsFeatureRequest().setFilterRect(west)))),
        "fields": {field.name(): field.typeName() for field in layer.fields()},
        "extent": [layer.extent().xMinimum(), layer.extent().yMinimum(), layer.extent().xMaximum(), layer.extent().yMaximum()],
    }


def painted(layer: Any, base: str, name: str) -> dict[str, Any]:
    """The share of pixels that `layer` paints on a map of the extent of the collection `name`."""
    if not layer.isValid():
        return {"valid": False, "error": layer.error().message()}
    place = QgsVectorLayer(f"url='{base}' typename='{name}'", name, "OAPIF")
    settings = QgsMapSettings()
    settings.setDestinationCrs(QgsCoordinateReferenceSystem(MERCATOR))
    change = QgsCoordinateTransform(place.crs(), settings.destinationCrs(), QgsProject.instance())
    extent = change.transformBoundingBox(place.extent())
    settings.setExtent(extent)
    settings.setOutputSize(QSize(WIDTH, max(1, round(WIDTH * extent.height() / extent.width()))))
    settings.setBackgroundColor(Qt.transparent)
    settings.setLayers([layer])
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    colours = [image.pixelColor(x, y) for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)]
    shown = [(each.red(), each.green(), each.blue()) for each in colours if each.alpha() > 0]
    return {"valid": True, "share": len(shown) / len(colours), "colours": len(set(shown)), "crs": layer.crs().authid()}


def xyz(address: str) -> Any:
    """A layer of picture tiles."""
    return QgsRasterLayer(f"type=xyz&zmin=0&zmax=22&{urlencode({'url': address}, safe='{}')}", "xyz", "wms")


def wmts(base: str, name: str) -> Any:
    """The only layer of the WMTS of a collection."""
    capabilities = f"{base}/collections/{name}/wmts?SERVICE=WMTS&REQUEST=GetCapabilities"
    chosen = {"crs": MERCATOR, "format": "image/png", "layers": name, "styles": "default", "tileMatrixSet": "WebMercatorQuad"}
    return QgsRasterLayer(urlencode({**chosen, "url": capabilities}), "wmts", "wms")


def vector_tiles(address: str) -> Any:
    """A layer of vector tiles."""
    return QgsVectorTileLayer(f"type=xyz&zmin=0&zmax=22&{urlencode({'url': address}, safe='{}')}", "mvt")


def copied(base: str, name: str, target: str) -> int:
    """The number of features of a GeoPackage that QGIS writes from the layer `name`."""
    layer = QgsVectorLayer(f"url='{base}' typename='{name}'", name, "OAPIF")
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    context = QgsProject.instance().transformContext()
    status = QgsVectorFileWriter.writeAsVectorFormatV3(layer, target, context, options)
    if status[0] != QgsVectorFileWriter.NoError:
        raise OSError(status[1])
    return int(QgsVectorLayer(target, "copy", "ogr").featureCount())


def main() -> None:
    """Print what QGIS reads."""
    base, collection, search, target = sys.argv[1:5]
    application = QgsApplication([], False)
    application.initQgis()
    here = f"{base}/collections"
    sys.stdout.write(
        json.dumps(
            {
                "version": Qgis.version(),
                "collection": features(base, collection),
                "search": features(base, search),
                "copied": copied(base, search, target),
                "imagery": painted(xyz(f"{here}/{collection}/{QUAD}.png"), base, collection),
                "similarity": painted(xyz(f"{here}/{search}/{QUAD}.png"), base, search),
                "wmts": painted(wmts(base, search), base, search),
                "footprints": painted(vector_tiles(f"{here}/{collection}/{QUAD}.mvt"), base, collection),
            }
        )
    )
    application.exitQgis()


if __name__ == "__main__":
    main()
