# One virtual environment, made on first use; every target stands on it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO   ?= demo
# Versions and hashes of everything but PyTorch, whose build must fit the machine; `make setup LOCK=` takes the newest.
LOCK   ?= requirements.lock
# A file a worker, in the order of tests/conftest.py; what is compiled once serves every worker and child.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup demo test test-fast lint format bench docs audit lock clean help

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP)  ## make the virtual environment and install everything into it

$(STAMP): pyproject.toml $(wildcard $(LOCK))
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Python 3.11 or newer is needed, this is %d.%d; try: make PYTHON=python3.12" % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	test ! -f "$(LOCK)" || $(BIN)/python -m pip install --quiet --retries 1 --timeout 60 --require-hashes --no-deps -r $(LOCK) || \
	  echo "$(LOCK): not installed from this machine's package index (see above); taking the newest versions instead"
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

demo: $(STAMP)   ## offline: build a dataset from the embedded gallery, then Tables 1-3 on painted portraits
	$(BIN)/aahq demo $(DEMO)/dataset
	$(BIN)/blendgan sample --weights painted --seeds 0-7 -o $(DEMO)/samples
	$(BIN)/aahq-bench reproduce --profile demo --set faces=8 --rehearse -o $(DEMO)/tables
	$(BIN)/aahq-bench page --profile demo --set faces=8 -o $(DEMO)/tables --dataset $(DEMO)/dataset

test: $(STAMP)   ## every test, the fast ones first
	$(PYTEST) -m "not slow" -q
	$(PYTEST) -m slow -q

test-fast: $(STAMP)
	$(PYTEST) -m "not slow" -q

lint: $(STAMP)   ## ruff and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## speed and memory as ratios in one run, written to docs/speed.md
	$(BIN)/python -m speed.run

docs: $(STAMP)   ## draw again the pages that scripts write: commands, symbols, costs, tables, scale
	$(BIN)/python docs/make_commands.py
	$(BIN)/python docs/make_metrics.py
	$(BIN)/python docs/make_paper_symbols.py
	$(BIN)/python docs/make_scale.py
	$(BIN)/python docs/make_readme.py

audit: $(STAMP)  ## known holes in what is installed, and a bill of materials (needs the advisory databases)
	$(BIN)/python -m pip install --quiet pip-audit
	-$(BIN)/pip-audit --local --skip-editable --format cyclonedx-json --output sbom.json
	$(BIN)/pip-audit --local --skip-editable

lock: $(STAMP)   ## resolve anew what requirements.lock pins (needs the package index)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python docs/make_lock.py

clean:           ## remove what the targets made, the environment too
	rm -rf $(VENV) $(DEMO) .pytest_cache .ruff_cache .mypy_cache *.egg-info
