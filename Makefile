# make run    set-up, then the main job on the data at hand (embedded if there is none)
# make test   set-up, then all tests but the slow ones
# make compare  set-up with PyTorch, ONNX and h5py; then the tests that compare with them
# make reliability  set-up; then the slow tests, most of which break things: kills, full
#             disks, damaged files, a real SLURM if its packages are here
# make fuzz   ten times as many damaged files as in make reliability, of a new seed
# make .venv/cluster  set-up with the plug-ins for SLURM, Kubernetes and S3; make vendor
#             fetches all packages into vendor/, for a place without a network
# make lint   set-up, then ruff, snakefmt, snakemake --lint, and who imports whom
# make bench  set-up, then the measurements in tests/bench: about half an hour; beside
#             PyTorch and Keras only after make .venv/compare
# make setup  the set-up alone; RUNTIME=intel brings Intel's OpenCL runtime for the CPU
#             along (280 MB, 850 MB unpacked), RUNTIME=none never does, and RUNTIME=auto,
#             the default, where no other OpenCL device computes what it should
# make clean  everything generated, .venv included, is removed
#
# make run CORES=4 SCALE=paper, make test TESTS=tests/engine, make PYTHON=python3.12 …
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
  echo $$p && break; done)
endif
CORES ?= all
SCALE ?=
TESTS ?=
RUNTIME ?= auto
# Without a network from vendor/, if `make vendor` was called and it came along.
PIP := --quiet --disable-pip-version-check --require-hashes \
  $(if $(wildcard vendor),--no-index --find-links vendor)

INTEL = .venv/bin/python -m pip install $(PIP) --requirement requirements-intel.lock

.PHONY: run test compare reliability fuzz lint bench setup clean

run: setup
	.venv/bin/snakemake --cores $(CORES) $(if $(SCALE),--config scale=$(SCALE))

test: setup
	.venv/bin/python -m pytest $(TESTS)

compare: .venv/compare
	.venv/bin/python -m pytest -m compare $(TESTS)

reliability: setup
	.venv/bin/python -m pytest -m "reliability or (slow and not compare)" $(TESTS)

# A case that fails is kept in fuzz-failures/, and the message says how to run it again.
fuzz: setup
	@seed=$${FUZZ_SEED:-$$(date +%s)}; echo "fuzzing with FUZZ_SEED=$$seed"; \
	  FUZZ_SEED=$$seed FUZZ_CASES=$${FUZZ_CASES:-10} .venv/bin/python -m pytest \
	  -m reliability $(or $(TESTS),tests/reliability/fuzz)

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile workflow
	.venv/bin/snakemake --lint
	PYTHONPATH=. .venv/bin/lint-imports --no-logo

bench: setup
	@for script in tests/bench/*.py; do \
	  echo "$$script"; PYTHONPATH=. .venv/bin/python "$$script" || exit 1; done

setup: .venv/complete .venv/runtime-$(RUNTIME)

# Made anew where the lock file is newer; `complete` is written only at the end.
.venv/complete: requirements.lock
	@test -n "$(PYTHON)" || { echo "set-up: Python 3.11 or newer is needed and none" \
	  "was found; name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit('set-up: Python 3.11 or newer is needed, ' \
	  '$(PYTHON) is ' + sys.version.split()[0]) if sys.version_info < (3, 11) else None"
	@echo "set-up: a virtual environment in .venv, once, about a minute"
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install $(PIP) --requirement requirements.lock
	@touch $@

# Intel's runtime knows processors that PoCL's wheel does not. Where it cannot be had, the
# engine's own threads compute.
.venv/runtime-auto: .venv/complete requirements-intel.lock
	@if test "$$(uname -sm)" = "Linux x86_64" && \
	  ! .venv/bin/python -m engine doctor --opencl; then \
	  echo "set-up: no OpenCL device computes here as it should; fetching Intel's" \
	    "runtime (280 MB, Intel's licence; make setup RUNTIME=none does without)"; \
	  $(INTEL) || echo "set-up: it cannot be had; the engine's own threads compute"; fi
	@.venv/bin/python -m engine doctor --short
	@touch $@

.venv/runtime-intel: .venv/complete requirements-intel.lock
	@test "$$(uname -sm)" = "Linux x86_64" || \
	  { echo "set-up: Intel's runtime is for Linux on x86-64 alone"; exit 1; }
	$(INTEL)
	@.venv/bin/python -m engine doctor --short
	@touch $@

.venv/runtime-none: .venv/complete
	@.venv/bin/python -m engine doctor --short
	@touch $@

# The other engines: nothing else needs them. PyTorch has no hash here, for its builds
# differ from registry to registry.
.venv/compare: .venv/complete requirements-compare.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements-compare.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@touch $@

# What clusters and storage need: docs/cluster.md.
.venv/cluster: .venv/complete requirements-cluster.lock
	.venv/bin/python -m pip install $(PIP) --requirement requirements-cluster.lock
	@touch $@

# All packages for this Python and this kind of machine, with what builds those few that
# have no wheel. Set-ups take them from there, against the same hashes.
vendor: requirements.lock requirements-cluster.lock
	@rm -rf $@.new
	for wanted in "setuptools wheel" "--require-hashes --requirement requirements.lock" \
	  "--require-hashes --requirement requirements-cluster.lock"; do $(PYTHON) -m pip \
	  download --quiet --disable-pip-version-check --dest $@.new $$wanted || exit 1; done
	@rm -rf $@ && mv $@.new $@

clean:
	rm -rf .venv .snakemake results/data results/runs results/tables results/figures \
	  results/report logs
