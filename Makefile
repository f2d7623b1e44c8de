# Every path is relative, so that the folder may be called anything.

PYTHON ?= python3
PY := .venv/bin/python
JUPYTER_BOOK := $(PY) -c "import sys; from jupyter_book.cli.main import main; sys.exit(main())"

READY := .venv/ready
SITE := _build/ready
SOURCES := _config.yml _toc.yml $(shell find book -type f -not -path '*/.*' -not -path '*/__pycache__/*')

# Two workers with one thread each. A notebook's cells share a kernel, so a file stays on one worker.
export OMP_NUM_THREADS := 1
PYTEST := $(PY) -m pytest -n 2 --dist loadfile

.PHONY: help book test notebooks steady serve lint bench isolated pins clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

book: $(SITE) ## build the site, if a source changed, and say where it is
	@$(PY) -c "from pathlib import Path; \
	page = Path('_build/html/index.html').resolve(); print(page, page.as_uri(), sep='\n')"

test: lint $(SITE) ## lint, build the site, then run every test, doctest and notebook
	@$(PYTEST)

notebooks: $(READY) ## run every chapter and save its outputs (one: NB=book/part/01-name.ipynb)
	@$(PY) book/_tools/refresh.py $(NB)

steady: $(READY) ## run every chapter as if on other processors (one: NB=book/part/01-name.ipynb)
	@$(PY) book/_tools/steady.py $(NB)

serve: book ## serve the site at http://localhost:8000
	@$(PY) -m http.server --directory _build/html 8000

lint: $(READY) ## check style, formatting and types
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-cache --no-logo

bench: $(READY) ## run the benchmarks, which print ratios (on all cores)
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; env -u OMP_NUM_THREADS $(PY) "$$file"; done

isolated: $(READY) ## run every chapter with the wheel alone (NEWEST=1: newest dependencies)
	@$(PY) book/_tools/isolated.py $(if $(NEWEST),--newest)

pins: ## resolve the newest versions that pyproject.toml allows into requirements.txt
	@$(PYTHON) book/_tools/pins.py

clean: ## remove everything that was built, the environment too
	rm -rf .venv _build build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): requirements.txt pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

# From scratch each time: an incremental build would not repeat the warnings of unchanged pages.
$(SITE): $(READY) $(SOURCES)
	@rm -rf _build/html _build/.doctrees $@
	@$(JUPYTER_BOOK) build . --quiet --warningiserror --nitpick --keep-going
	@touch $@
