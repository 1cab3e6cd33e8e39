# Needs only Python 3.11 or newer. Everything is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test proof bench chaos pictures lint lock audit licences clean

demo: $(VENV)/.runtime
	@$(BIN)/python -m panel.env_file --demo
	@$(BIN)/python manage.py demo

test: $(VENV)/.development
	@$(BIN)/python -m pytest -n auto --dist worksteal

proof: $(VENV)/.development
	@$(BIN)/python -m pytest -s -rs -m proof
	@$(BIN)/python -m pytest -n auto -m "hypothesis and not proof" --hypothesis-profile search

bench: $(VENV)/.development
	@$(BIN)/python -m tests.bench

# make chaos, or a part: make chaos PART=payments
chaos: $(VENV)/.development
	@$(BIN)/python -m tests.chaos $(PART)

# The pictures of the documents, from a new demo.
pictures: $(VENV)/.development
	@$(BIN)/python -m tests.pictures

lint: $(VENV)/.development
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/mypy .
	@$(BIN)/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')

# All within the bounds of the .in files, or one package: make lock ONLY=django
lock: $(VENV)/.development
	@for name in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate \
			--custom-compile-command "make lock" $(if $(ONLY),--upgrade-package $(ONLY),--upgrade) \
			--output-file $$name.txt $$name.in || exit 1; \
	done
	@$(MAKE) --no-print-directory licences

audit: $(VENV)/.development
	@$(BIN)/python -m tests.supply.audit

licences: $(VENV)/.development
	@$(BIN)/python -m tests.supply.licences

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python requirements.txt
	@echo "Installing what requirements.txt lists into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis
