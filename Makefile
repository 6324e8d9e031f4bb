# make run    set-up, then the main job on the data at hand (embedded if there is none)
# make test   set-up, then all tests
# make lint   ruff, snakefmt, snakemake --lint
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)))")
SNAKEMAKE = .venv/bin/snakemake --cores $(CORES)

.PHONY: run test lint setup clean

run: setup
	$(SNAKEMAKE)

test: setup
	.venv/bin/python -m pytest

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile workflow
	.venv/bin/snakemake --lint

setup: .venv/complete

# Made anew where the lock file is newer; `complete` is written only at the end.
.venv/complete: requirements.lock
	@$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed, this is ' \
	  + sys.version.split()[0] + '; try: make PYTHON=python3.11') \
	  if sys.version_info < (3, 11) else None"
	@echo "set-up: a virtual environment in .venv, once, about a minute"
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements.lock
	@touch $@

clean:
	rm -rf .venv .snakemake results/data results/runs results/tables results/figures \
	  results/report logs
