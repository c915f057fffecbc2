# Dyad. `make` lists the targets; most people need only `make serve` and `make test`.

PYTHON ?= python3
PORT ?= $(or $(DYAD_PORT),8000)
DYAD_HOME ?= dyad-data
# The tests of models/ need PyTorch (5.5 GB); `make test TRAIN=` leaves out both.
TRAIN ?= 1
# The tests run in two processes per core, since many wait for services; `make test JOBS=0` runs them in one process.
JOBS ?= $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 2))))
export DYAD_HOME

VENV := .venv
EXTRAS := dev,cluster,otel,gis
EXTRAS_AND_TORCH := $(EXTRAS),train
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# uv installs faster than pip. Where uv fails, for example with a package mirror that only pip is configured for, pip installs.
install = { $(PIP) install --quiet uv && $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '$(1)'; } \
	|| $(PIP) install --quiet -c constraints.txt -e '$(1)'

# The networks (models/, worker/torch_*) need the extra `train` (PyTorch); without it they are neither type-checked nor tested.
NO_TORCH = $(shell $(BIN)/python -c 'import importlib.util; print("" if importlib.util.find_spec("torch") else "yes")')
NEEDS_TORCH := ^(benchmarks/|(tests/)?models/(?!(bundle|evaluation|heads)/)|worker/torch_|tests/support/(losses|on_torch)\.py|tests/.*_torch\.py)

.DEFAULT_GOAL := help
.PHONY: help serve test fuzz chaos lint format lock bench bench-check train-default unseen results clean packages bench-gpu

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "make %-13s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## start the service on http://127.0.0.1:8000; DATA=folder, scene or zip to index first; PORT=, DYAD_HOME=
ifdef DATA
	@$(BIN)/dyad index tiles "$(DATA)"
endif
	@exec $(BIN)/dyad serve --port "$(PORT)"

# The tests start hundreds of interpreters: let them cache compiled sources and use one thread each.
test: export PYTHONDONTWRITEBYTECODE :=
test: export OMP_NUM_THREADS := 1
test: packages lint ## run all checks: lint, then the tests; installs what they need; TRAIN= leaves out PyTorch
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

fuzz: $(VENV)/.dev ## send generated requests, valid and invalid, to the API; CASES=5000
	DYAD_TEST_FUZZ_CASES=$(or $(CASES),5000) $(BIN)/python -m pytest -s tests/fuzz $(ARGS)

chaos: $(VENV)/.dev ## kill the service 100 times and damage its state folder; ARGS="--kills 10 --only kills", ARGS=--help
	$(BIN)/python benchmarks/bench_chaos.py $(ARGS)

lint: $(VENV)/.dev $(if $(TRAIN),$(VENV)/.train) ## check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(if $(NO_TORCH),--exclude '$(NEEDS_TORCH)')
	$(BIN)/lint-imports

format: $(VENV)/.dev ## format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev ## write constraints.txt again; UPGRADE=1 selects the newest versions
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --all-extras --python-version 3.11 --fork-strategy fewest \
		--no-annotate --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml -o constraints.txt

bench: $(VENV)/.dev ## run all benchmarks except the GPU's
	@set -e; for file in $(filter-out benchmarks/bench_gpu.py benchmarks/bench_check.py,$(wildcard benchmarks/bench_*.py)); do echo "== $$file"; $(BIN)/python "$$file"; done

bench-check: $(VENV)/.dev ## name what became slower than stored for this kind of processor, in 3 minutes; ARGS=--store
	$(BIN)/python benchmarks/bench_check.py $(ARGS)

bench-gpu: $(VENV)/.train ## measure embedding and training on a GPU, by batch size; ARGS=--help
	$(BIN)/python benchmarks/bench_gpu.py $(ARGS)

train-default: $(VENV)/.train ## train dyad-rgb, the default model (half an hour on a CPU; resumes after a stop); ARGS="--model dyad-rgb-research"
	$(BIN)/python -m models.runs.bundled.train_bundle $(ARGS)

unseen: $(VENV)/.train ## measure the bundled models on data sets that they were trained on, and on others; ARGS=--help
	$(BIN)/python -m models.runs.bundled.unseen $(ARGS)

results: $(VENV)/.train ## compute the missing cells of the papers' tables in docs/results.md; ARGS=--list, ARGS="--only 'a-*'"
	$(BIN)/python -m models.papers $(ARGS)

clean: ## remove .venv and caches; DYAD_HOME and the training runs in build/ are kept
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian packages `venv` separately: root installs it, other users get an error message.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "$(PYTHON) is missing or older than 3.11; select another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
		then apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends python3-venv; \
		else echo "The Python module venv is missing; install it: sudo apt-get install python3-venv" >&2; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Dyad into $(VENV) (about 1 GB, a minute or two)"
	@$(call install,.[gis])
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Dyad and its development tools into $(VENV)"
	@$(call install,.[$(EXTRAS)])
	@touch $@ $(VENV)/.serve

$(VENV)/.train: $(VENV)/.dev
	@echo "Installing torch into $(VENV)"
	@$(call install,.[$(EXTRAS_AND_TORCH)])
	@touch $@

# Programs that tests use. Without them these tests are skipped (with CI=true they fail), so a failing apt-get is not an error.
packages:
	@missing=""; \
	for pair in chromium:chromium,fonts-liberation redis-server:redis-server ogrinfo:gdal-bin; do \
		command -v "$${pair%%:*}" >/dev/null || missing="$$missing $$(echo "$${pair##*:}" | tr , ' ')"; \
	done; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $$missing \
			|| echo "could not install$$missing; tests that need them are skipped" >&2; \
	else \
		echo "not installed:$$missing; tests that need them are skipped" >&2; \
	fi
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! /usr/bin/python3 -c "import qgis.core" 2>/dev/null; then \
		DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends python3-qgis qgis-providers >/dev/null 2>&1 \
			|| echo "could not install QGIS; its tests are skipped" >&2; \
	fi
