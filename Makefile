# make taste · make study · make lab · make test · make test-all · make compat · make bench   (each sets up what it needs, once)
PYTHON ?= python3
BIN := .venv/bin
RUN ?= data/runs/quick
GRID ?= notebooks/sweeps/quick.yml

.PHONY: setup taste study handout test test-all compat canary lab bench torture lint lock notebooks pictures readme site clean

# Everything comes from the locks, hashes checked; the kit itself is installed in place. TENSORFLOW=full keeps the wheel
# with CUDA where no NVIDIA driver is seen; WHEELS=FOLDER asks no network.
SET_UP = @command -v $(PYTHON) >/dev/null || { echo "Python 3.11 to 3.13 must be installed (got no $(PYTHON)); \
  take it from python.org or your system, or name another: make PYTHON=python3.12" >&2; exit 2; }; \
  $(PYTHON) set_up.py --tensorflow $(or $(TENSORFLOW),auto) $(if $(WHEELS),--wheels $(WHEELS))

setup: .venv/.ready
.venv/.ready: requirements.lock requirements-cpu.lock pyproject.toml
	$(SET_UP)

for-tests: .venv/.ready-for-tests
.venv/.ready-for-tests: requirements-dev.lock requirements-cpu.lock pyproject.toml
	$(SET_UP) --dev

# One comparison in half a minute, three lines.
taste: setup
	@$(BIN)/study taste

# A folder for a class without network; PLATFORMS="linux windows mac" and ARCHIVES=DIR say what goes in.
handout: setup
	$(BIN)/study handout $(or $(HANDOUT),handout) $(PLATFORMS:%=--platform %) $(if $(ARCHIVES),--archives $(ARCHIVES))

# The report comes also where a cell failed; the sweep's exit code is the target's.
study: setup
	$(BIN)/study sweep $(GRID) --out $(RUN) --resume; swept=$$?; $(BIN)/study report $(RUN) && exit $$swept

# Some lessons of a first morning, the longest first.
QUICK_LESSONS := 04 01 05 00 10
NBVAL = $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --nbval-lax --nbval-cell-timeout=120

test: for-tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/nbstripout --verify --keep-count notebooks/*.ipynb notebooks/*/*.ipynb
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not slow" tests
	$(NBVAL) $(foreach lesson,$(QUICK_LESSONS),notebooks/$(lesson)_*.ipynb)

# And what takes long: the other lessons, every lesson at its second values, Run All in a browser, 60,000 pictures, JAX,
# full disks, kills at random.
test-all: test
	$(NBVAL) $(filter-out $(wildcard $(QUICK_LESSONS:%=notebooks/%_*.ipynb)),$(wildcard notebooks/[0-9]*.ipynb))
	$(BIN)/python -m pytest -q -m slow tests

# The library half beside the oldest versions that pyproject.toml allows, the newest release and the newest candidate,
# each in an environment of its own in .compat/ (1.3 to 2.2 GB, made once). One alone: make compat VERSIONS=oldest
VERSIONS ?= oldest newest candidate
compat: setup
	$(BIN)/python tests/other_versions.py compat $(VERSIONS)

# What differs with the newest candidate: facts, private names, tests. It goes to data/results/canary-VERSION.md.
canary: setup
	$(BIN)/python tests/other_versions.py canary

lab: setup
	$(BIN)/jupyter lab --ip=127.0.0.1 notebooks

# Keeps counts and the outputs of cells tagged keep_output, which nbval checks.
notebooks: for-tests
	$(BIN)/nbstripout --keep-count notebooks/*.ipynb notebooks/*/*.ipynb
	$(BIN)/ruff format notebooks
	$(BIN)/study exercises

# Runs the lessons, and keeps the pictures of cells tagged picture-NAME, each with the machine that made it.
pictures: setup
	$(BIN)/python notebooks/pictures/make.py

# Writes the README's tables and pictures of results, from data/results.
readme: setup
	$(BIN)/python -m helpers.report.readme

# Writes the site into site/, which opens from disk: lessons with outputs, report, answer book, glossary, reference. Runs
# every lesson the first time (15 minutes or so), later only those that changed.
site: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[site]'
	$(BIN)/python docs/build.py

lint: for-tests
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Needs uv (https://docs.astral.sh/uv/); writes hashes for every platform that TensorFlow supports. What `study` and `lab`
# need; the same and what tests need; TensorFlow's wheel without CUDA, in the same version.
LOCKING = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock:
	$(LOCKING) --extra install pyproject.toml -o requirements.lock
	$(LOCKING) --extra install --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	sed -n 's/^tensorflow==\([^ ]*\).*/tensorflow-cpu==\1/p' requirements.lock \
	  | $(LOCKING) --no-deps --no-annotate - -o requirements-cpu.lock

clean:
	rm -rf .venv .compat data/standin data/runs

# Kills a running sweep 200 times, lets every call to the disk fail and the power go after each, and throws 11,000
# damaged files and command lines at the kit; 45 minutes or so. A part alone: python benchmarks/NAME.py --help
torture: setup
	$(BIN)/python benchmarks/torture.py --kills 200 --limit-s 1500
	$(BIN)/python benchmarks/failing_disk.py
	$(BIN)/python benchmarks/fuzz.py

# Every figure of benchmarks/README.md, measured here; about an hour and a half. One alone: python benchmarks/NAME.py
bench: setup
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/coverage.py --waits
	$(BIN)/python benchmarks/a_a.py --real 30
	$(BIN)/python benchmarks/two_runs.py --runs 3 --budget-s 100
	$(BIN)/python benchmarks/interleaving.py
	$(BIN)/python benchmarks/interleaving.py --separate
	$(BIN)/python benchmarks/measuring_cost.py
	$(BIN)/python benchmarks/autotune_modes.py
	$(BIN)/python benchmarks/isolation.py
	$(BIN)/python benchmarks/freed_memory.py
	$(BIN)/python benchmarks/port_parity.py
	$(BIN)/python benchmarks/port_speed.py
	$(BIN)/python benchmarks/port_speed.py --every --rounds 3
	$(BIN)/python benchmarks/port_shares.py
	$(BIN)/python benchmarks/port_memory.py
	$(BIN)/python benchmarks/port_accuracy.py
	$(BIN)/python benchmarks/warm_kernels.py
	$(BIN)/python benchmarks/sweep_memory.py
	$(BIN)/python benchmarks/cluster.py
	$(BIN)/python benchmarks/service.py
	$(BIN)/python benchmarks/doctor.py --predicted
	$(BIN)/python benchmarks/gpu.py
