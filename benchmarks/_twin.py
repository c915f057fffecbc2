"""A bundle whose network was trained without the evaluated classes, so that a head's gain is not due to its training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.bundle.card import Normalisation
from models.bundle.trained_card import EncoderFacts, Facts, TrainingSet
from models.evaluation.learn_ranking import learn_ranking
from models.export.write_bundle import Matcher, write_bundle
from models.runs.default.plan import Plan
from models.runs.default.train_reranker import Twin, train_twin
from models.runs.inputs.known_sets import TERMS
from models.runs.inputs.material import Material
from models.runs.networks.shortlist_scores import encode_rows, score_shortlists

MODEL_ID = "twin"


def twin_bundle(material: Material, plan: Plan, cache: Path, work: Path) -> Path:
    """The folder of the bundle, made where `make train-default` keeps its runs; what was trained is not trained again.

    The weights and the calibration of its fused score are learned on validation images of the classes that it knows, as those
    of the bundle that ships.
    """
    folder = work / "twin-bundle" / MODEL_ID
    if not folder.exists():
        twin = train_twin(material, plan, cache, work / "twin", lambda _recipe, _name: [])
        known = np.setdiff1d(material.validation, twin.held)
        scored = score_shortlists(twin.network, twin.stored, encode_rows(twin.trained, material, known))
        learned = learn_ranking([scored], [scored], [scored], tolerance=0.0)
        matcher = Matcher(twin.network, twin.stored, learned.matcher_calibration(), learned.fusion())
        write_bundle(folder, twin.trained.encoder, _facts(material, plan, twin), matcher=matcher, weights="float16")
    return folder


def _facts(material: Material, plan: Plan, twin: Twin) -> Facts:
    preparation = twin.trained.preparation
    sets = (TrainingSet(name=title, terms=terms) for title, terms in TERMS.values())
    return Facts(
        id=MODEL_ID,
        title=f"Dyad RGB without {len(plan.held_out)} classes",
        input_size=plan.input_size,
        bands=("red", "green", "blue"),
        normalisation=Normalisation(
            mean=tuple(preparation.mean.flatten().tolist()), std=tuple(preparation.std.flatten().tolist())
        ),
        encoder=EncoderFacts(name="resnet18", width=plan.twin_recipes[-1].width),
        recipe=plan.twin_recipes[-1].model_dump(mode="json"),
        matcher_recipe=plan.matcher.model_dump(mode="json"),
        seed=plan.twin_recipes[-1].seed,
        training_sets=tuple(sets),
        splits={"trained": len(twin.rows), "images": len(material.images), "held_out": list(plan.held_out)},
    )
