"""The rules of import-linter at run time: the service imports neither torch nor worker, and of models only bundles."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import app
names = [module.name for module in pkgutil.walk_packages(app.__path__, "app.")]
names = [name for name in names if not name.endswith("__main__")]  # importing that one runs the command line
for name in names:
    importlib.import_module(name)
print(json.dumps({"imported": names, "loaded": sorted(sys.modules)}))
"""


def test_the_service_imports_no_torch_no_worker_and_of_models_only_bundles() -> None:
    answer = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, cwd=ROOT, check=False)
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout)
    sources = {
        path.relative_to(ROOT / "app").with_suffix("").parts for path in (ROOT / "app").rglob("*.py") if path.stem != "__main__"
    }
    modules = {".".join(("app", *parts)).removesuffix(".__init__") for parts in sources} - {"app"}
    assert set(seen["imported"]) == modules
    assert not {"torch", "torchvision", "worker", "celery"} & set(seen["loaded"])
    learning = {name for name in seen["loaded"] if name.split(".")[0] == "models"}
    assert {name for name in learning if name.split(".")[:2] not in (["models"], ["models", "bundle"])} == set()
