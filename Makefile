# make run     the dashboard on http://127.0.0.1:8501, set up on first use
# make test    all tests (browser tests need Debian's chromium; they skip with a reason without it)
# make test-cluster   the tests that start Ray, one after another (installs the extra "cluster")
# make test-fast   the quick ones, under two minutes
# make test-wheel  the wheel in an empty environment: a script, a notebook, commands, the dashboard
# make fuzz [FILES=600 SEED=0]   mutated and hostile files for every reader, a few minutes
# make check   format, lint, layers, types, documentation
# make docs    the documentation site, in build/site
# make setup   only the environment, in .venv/
# make checkpoints PTBXL=path/to/ptb-xl   trains the shipped networks again (a night on two cores)

PYTHON ?= python3
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 8501
EXAMPLES := workspace/cohorts/examples/cohort.json

.PHONY: run test test-fast test-cluster test-wheel fuzz check docs format setup checkpoints clean

run: .venv/.runtime $(EXAMPLES)
	@echo "The dashboard will answer on http://$(HOST):$(PORT) (stop it with Ctrl-C)."
	$(BIN)/streamlit run dashboard/streamlit_app.py --server.address $(HOST) --server.port $(PORT)

test: .venv/.dev
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-fast: .venv/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not data and not cluster" tests/unit

test-cluster: .venv/.cluster
	$(BIN)/python -m pytest -m cluster tests/cluster

test-wheel: .venv/.dev
	tests/wheel/run.sh

FILES ?= 600
SEED ?= 0

fuzz: .venv/.dev
	$(BIN)/python benchmarks/fuzz.py $(FILES) $(SEED)

check: .venv/.dev docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: .venv/.dev

PTBXL ?= data/ptb-xl
SHIPPED := resnet1d_scaled resnet1d_ptbxl71 alexnet_m_se_gap alexnet_gap

checkpoints: .venv/.runtime
	$(BIN)/ecgcore ingest $(PTBXL) --cohort ptbxl
	$(BIN)/ecgcore study shipped
	for model in $(SHIPPED); do $(BIN)/ecgcore release $$model || exit 1; done

$(EXAMPLES): | .venv/.runtime
	@echo "Reading the example ECGs into the cohort 'examples' (a few seconds) ..."
	$(BIN)/ecgcore ingest examples/ptb-xl --cohort examples

$(BIN)/uv:
	@echo "Making the environment .venv/ with $$($(PYTHON) --version) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=/path/to/it")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/.runtime: requirements.txt pyproject.toml | $(BIN)/uv
	@echo "Installing what the product needs (about 6 GB with CUDA; 20 s to a few minutes the first time) ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.txt --editable .
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	@echo "Installing what the tests need ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements-dev.txt
	@touch $@

.venv/.cluster: pyproject.toml .venv/.dev
	@echo "Installing what work on a cluster needs (Ray, 80 MB) ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable ".[cluster]"
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
