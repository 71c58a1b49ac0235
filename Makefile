# Every target sets up what it needs: .venv with the versions of constraints.lock, and, for the tests, the system
# libraries of the viewer (installed where that is allowed, else one line says what to run).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test fuzz lint bench docs clean venv system

demo: $(VENV)/.installed
	$(BIN)/medseg demo

test: $(VENV)/.installed-dev system
	scripts/with_display.sh $(BIN)/pytest -n 2 --dist worksteal

# 50,000 mutated files of each format; FUZZ_CASES=1000 FUZZ_FIRST=50000 make fuzz runs others. Failures stay in .fuzz.
FUZZ_CASES ?= 50000
FUZZ_FIRST ?= 0

fuzz: $(VENV)/.installed-dev
	MEDSEG_FUZZ_CASES=$(FUZZ_CASES) MEDSEG_FUZZ_FIRST=$(FUZZ_FIRST) MEDSEG_FUZZ_SAVE=.fuzz $(BIN)/pytest tests/fuzz -n 2 -rA --tb=line

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/sliding_window.py
	$(BIN)/python benchmarks/io.py
	$(BIN)/python benchmarks/io_nifti.py
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/postprocessing.py
	$(BIN)/python benchmarks/plugin_edits.py

docs: $(VENV)/.installed-dev
	$(BIN)/mkdocs build --strict

system:
	@scripts/install_system_libraries.sh

$(VENV)/bin/python:
ifdef UV
	uv venv --python $(PYTHON) $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.lock
	scripts/pip_install.sh $(VENV) -e '.[cluster]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml constraints.lock
	scripts/pip_install.sh $(VENV) -e '.[dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
