"""An encoder that Dyad did not make, from `dyad models add` to the rollback of what it was taught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.images import geotiff, textured
from tests.support.pictures import striped
from tests.support.strangers import WIDTH, write_stranger

if TYPE_CHECKING:
    from tests.support.command import Dyad, Service

    Serve = Callable[..., Service]

RGB = ("--bands", "red,green,blue", "--mean", "0.4", "--std", "0.2")
EACH = 14


def write_classes(folder: Path) -> Path:
    """Class folders of stripes in three directions."""
    for label, angle in (("level", 0), ("sloped", 45), ("upright", 90)):
        (folder / label).mkdir(parents=True)
        for seed in range(EACH):
            picture = striped(angle + seed, period=16 + seed % 3, seed=seed, size=64)
            (folder / label / f"{label}{seed}.png").write_bytes(picture)
    return folder


def succeed(dyad: Dyad, *args: object) -> Any:
    ran = dyad(*args, "--json")
    assert ran.code == 0, ran.err
    return ran.json


def add_and_index(dyad: Dyad, tmp_path: Path, target: tuple[str, str]) -> Path:
    """Add an encoder with external data as `odd-name-1`, and index labelled pictures with it; returns one of them."""
    encoder = write_stranger(tmp_path / "odd name (1).onnx", data="odd.onnx.data")
    added = succeed(dyad, "models", "add", encoder, *RGB, "--licence", "MIT", *target)
    assert (added["id"], added["dimension"], added["input_size"], added["unchanged"]) == ("odd-name-1", WIDTH, 64, False)
    pictures = write_classes(tmp_path / "pictures")
    indexed = succeed(dyad, "index", "shapes", pictures, "--labels-from-folders", "--model", "odd-name-1", *target)
    assert indexed["indexed"] == 3 * EACH
    return pictures / "level" / "level3.png"


def test_a_strangers_encoder_is_added_searched_and_evaluated(dyad: Dyad, serve: Serve, tmp_path: Path) -> None:
    target = ("--url", serve().url)
    query = add_and_index(dyad, tmp_path, target)
    again = (tmp_path / "odd name (1).onnx", "--licence", "MIT")
    assert succeed(dyad, "models", "add", *again, *RGB, *target)["unchanged"]
    taken = dyad("models", "add", *again, "--bands", "red,green,blue", "--mean", "0.5", *target)
    assert (taken.code, len(taken.err_lines)) == (1, 1)
    assert "there is another model 'odd-name-1'" in taken.err
    found = succeed(dyad, "search", "shapes", query, *target)
    assert found["model"] == "odd-name-1"
    assert found["features"][0]["properties"]["file_name"].endswith("level3.png")
    assert found["rerank"]["neighbours"] == 0.4  # re-ranked by neighbourhood, without a matcher
    measured = succeed(dyad, "collections", "evaluate", "shapes", *target)
    assert measured["model"] == "odd-name-1"
    assert 0 < measured["metrics"]["map"] <= 1


def test_a_strangers_encoder_is_taught_gated_and_rolled_back(dyad: Dyad, serve: Serve, tmp_path: Path) -> None:
    target = ("--url", serve().url)
    query = add_and_index(dyad, tmp_path, target)
    quick = ("--set", "rounds=2", "--set", "steps=5", "--no-reindex")
    taught = succeed(dyad, "collections", "train", "shapes", *quick, *target)
    assert taught["base"] == "odd-name-1"
    model = taught["model"]
    gated = succeed(dyad, "reindex", "shapes", "--model", model, "--force", *target)
    assert gated["switched"]
    assert gated["projected"] == 3 * EACH
    assert gated["gate"]["golden_queries"] > 0
    assert succeed(dyad, "search", "shapes", query, *target)["model"] == model
    assert succeed(dyad, "models", "show", model, *target)["licence"] == "MIT"
    exported = tmp_path / "taught.zip"
    succeed(dyad, "models", "export", model, exported, *target)
    assert succeed(dyad, "models", "import", exported, *target)["unchanged"]
    back = succeed(dyad, "collections", "rollback", "shapes", "--version", "odd-name-1.1", *target)
    assert back["index"]["version"] == "odd-name-1.1"
    assert succeed(dyad, "search", "shapes", query, *target)["model"] == "odd-name-1"


def test_what_it_cannot_do_is_refused_before_a_job_begins(dyad: Dyad, serve: Serve, tmp_path: Path) -> None:
    target = ("--url", serve().url)
    encoder = write_stranger(tmp_path / "plain.onnx")
    succeed(dyad, "models", "add", encoder, *RGB, *target)
    succeed(dyad, "index", "shapes", write_classes(tmp_path / "p"), "--labels-from-folders", "--model", "plain", *target)
    refused = dyad("collections", "train", "shapes", "--recipe", "nsl-margin", *target)
    assert refused.code == 1
    assert "model 'plain' cannot be fine-tuned: it has no PyTorch weights" in refused.err
    jobs = succeed(dyad, "jobs", "list", *target)["jobs"]
    assert "train" not in {job["type"] if "type" in job else job["processID"] for job in jobs}


def test_refusals_are_one_line(dyad: Dyad, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    good = write_stranger(tmp_path / "good.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("no graph")
    for code, args in (
        (1, (text, *RGB)),
        (1, (good, "--bands", "red,green")),
        (1, (good, *RGB, "--size", "32")),
        (1, (good, *RGB, "--output", "other")),
        (2, (good,)),
        (2, RGB),
        (2, (good, *RGB, "--from-timm", "resnet18")),
        (2, (good, "--bands", "red,green,blue", "--mean", "a")),
    ):
        ran = dyad("models", "add", *args, *home)
        assert (ran.code, ran.out) == (code, ""), (args, ran.err)
        assert code == 2 or len(ran.err_lines) == 1
    assert not (tmp_path / "home" / "models").exists() or not list((tmp_path / "home" / "models").glob("[!.]*"))


def test_an_encoder_of_four_bands_gets_the_bands_that_it_names(dyad: Dyad, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    encoder = write_stranger(tmp_path / "landsat.onnx", bands=4)
    succeed(dyad, "models", "add", encoder, "--bands", "swir1,nir,red,green", "--mean", "0.3", "--std", "0.2", *home)
    names = ("red", "green", "nir", "swir1")
    scene = geotiff(tmp_path / "scene.tif", textured(4, 256, 256), names=names)
    straight = geotiff(tmp_path / "other.tif", textured(4, 256, 256)[[3, 2, 0, 1]], names=("swir1", "nir", "red", "green"))
    result = succeed(dyad, "index", "landsat", scene, "--model", "landsat", "--tile-size", "64", *home)
    assert (result["indexed"], result["rejected"]) == (16, [])
    succeed(dyad, "index", "straight", straight, "--model", "landsat", "--tile-size", "64", *home)
    found = succeed(dyad, "search", "landsat", straight, "--limit", "3", *home)
    assert found["features"][0]["properties"]["score"] > 0


def test_models_of_a_thousand_bands_are_accepted(dyad: Dyad, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    bands = ",".join(f"b{number}" for number in range(1024))
    encoder = write_stranger(tmp_path / "many.onnx", bands=1024, width=4)
    assert len(succeed(dyad, "models", "add", encoder, "--bands", bands, *home)["bands"]) == 1024
    more = write_stranger(tmp_path / "more.onnx", bands=1025, width=4)
    refused = dyad("models", "add", more, "--bands", f"{bands},one", *home)
    assert (refused.code, len(refused.err_lines)) == (1, 1)
    assert "at most 1024" in refused.err
