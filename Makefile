# Dyad. `make` alone lists what there is; `make serve` and `make test` are all that most people need.

PYTHON ?= python3
PORT ?= $(or $(DYAD_PORT),8000)
DYAD_HOME ?= dyad-data
# The learning side is tested with torch (5.5 GB); `make test TRAIN=` leaves both out.
TRAIN ?= 1
# The tests run in as many processes as there are cores; `make test JOBS=0` runs them in one.
JOBS ?= auto
export DYAD_HOME

VENV := .venv
EXTRAS := dev,cluster,otel
EXTRAS_AND_TORCH := $(EXTRAS),train
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# uv installs in a fraction of pip's time; where it does not reach the packages (a mirror that only pip is told of), pip does it.
install = { $(PIP) install --quiet uv && $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '$(1)'; } \
	|| $(PIP) install --quiet -c constraints.txt -e '$(1)'

# The networks (models/, worker/torch_*) need the extra `train`, 5.5 GB of torch; without it they are neither type-checked nor tested.
NO_TORCH = $(shell $(BIN)/python -c 'import importlib.util; print("" if importlib.util.find_spec("torch") else "yes")')
NEEDS_TORCH := ^(benchmarks/|(tests/)?models/(?!(bundle|evaluation|heads)/)|worker/torch_|tests/support/(losses|on_torch)\.py|tests/.*_torch\.py)

.DEFAULT_GOAL := help
.PHONY: help serve test fuzz lint format lock bench train-default results clean packages bench-gpu

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "make %-13s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## start the service on http://127.0.0.1:8000; PORT=, DYAD_HOME=, DATA=folder-or-scene to index first
ifdef DATA
	@$(BIN)/dyad index tiles "$(DATA)"
endif
	@exec $(BIN)/dyad serve --port "$(PORT)"

# Hundreds of interpreters start: they find the sources compiled, whatever the environment says, and share the cores.
test: export PYTHONDONTWRITEBYTECODE :=
test: export OMP_NUM_THREADS := 1
test: packages lint ## install what the tests need, check style, types and floors, run the tests; TRAIN= leaves torch out
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

fuzz: $(VENV)/.dev ## send 5000 requests made of the OpenAPI document, right and wrong ones, and as many with keys; CASES=
	DYAD_TEST_FUZZ_CASES=$(or $(CASES),5000) $(BIN)/python -m pytest -s tests/fuzz $(ARGS)

lint: $(VENV)/.dev $(if $(TRAIN),$(VENV)/.train) ## check style, types and floors only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(if $(NO_TORCH),--exclude '$(NEEDS_TORCH)')
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the sources into their one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev ## renew constraints.txt (UPGRADE=1 takes the newest versions)
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --all-extras --python-version 3.11 --fork-strategy fewest \
		--no-annotate --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml -o constraints.txt

bench: $(VENV)/.dev ## print the figures of benchmarks/
	@set -e; for file in $(filter-out benchmarks/bench_gpu.py,$(wildcard benchmarks/bench_*.py)); do echo "== $$file"; $(BIN)/python "$$file"; done

bench-gpu: $(VENV)/.train ## print what a GPU does of what it could: embedding and training, by batch size (ARGS=--help)
	$(BIN)/python benchmarks/bench_gpu.py $(ARGS)

train-default: $(VENV)/.train ## train the bundle that ships with Dyad anew (hours on a CPU; goes on where it was stopped)
	$(BIN)/python -m models.runs.default.train_default $(ARGS)

results: $(VENV)/.train ## compute what is missing of the papers' tables in docs/results.md; ARGS=--list, ARGS="--only 'a-*'"
	$(BIN)/python -m models.papers $(ARGS)

clean: ## remove what these commands built; the state in DYAD_HOME and the training runs in build/ stay
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian splits `venv` from Python: where it is missing, root gets it and anybody else one clear line.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Dyad needs Python 3.11 or newer as $(PYTHON) (or name one: make PYTHON=python3.12 ...)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
		then apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends python3-venv; \
		else echo "Python's venv module is missing; install it: sudo apt-get install python3-venv" >&2; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Dyad into $(VENV) (about 850 MB, a minute or two)"
	@$(call install,.)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Dyad and its development tools into $(VENV)"
	@$(call install,.[$(EXTRAS)])
	@touch $@ $(VENV)/.serve

$(VENV)/.train: $(VENV)/.dev
	@echo "Installing torch into $(VENV)"
	@$(call install,.[$(EXTRAS_AND_TORCH)])
	@touch $@

# Programs that tests drive. Without them their tests skip by name (with CI=true they fail), so a failing apt-get is no error.
packages:
	@missing=""; \
	for pair in chromium:chromium,fonts-liberation redis-server:redis-server ogrinfo:gdal-bin; do \
		command -v "$${pair%%:*}" >/dev/null || missing="$$missing $$(echo "$${pair##*:}" | tr , ' ')"; \
	done; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $$missing \
			|| echo "could not install$$missing; the tests that need them will skip" >&2; \
	else \
		echo "not installed:$$missing; the tests that need them will skip" >&2; \
	fi
