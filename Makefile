# make study · make test · make test-all · make lab · make bench   (each sets up what it needs, once)
PYTHON ?= python3
BIN := .venv/bin
RUN ?= data/runs/quick
GRID ?= notebooks/sweeps/quick.yml

.PHONY: setup study test test-all lab bench torture lint lock notebooks pictures readme site clean

setup: .venv/.ready

# Everything comes from the lock, hashes checked; the kit itself is installed in place.
.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python must be 3.11 to 3.13 (got {v[0]}.{v[1]}); name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The report comes also where a cell failed; the sweep's exit code is the target's.
study: setup
	$(BIN)/study sweep $(GRID) --out $(RUN) --resume; swept=$$?; $(BIN)/study report $(RUN) && exit $$swept

test: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/nbstripout --verify --keep-count notebooks/*.ipynb notebooks/*/*.ipynb
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not slow" tests
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --nbval-lax --nbval-cell-timeout=120 \
	  $$(ls -r notebooks/[0-9]*.ipynb)  # the longest first

# And what takes long: every lesson at its second values, Run All in a browser, 60,000 pictures, JAX, full disks,
# kills at random.
test-all: test
	$(BIN)/python -m pytest -q -m slow tests

lab: setup
	$(BIN)/jupyter lab --ip=127.0.0.1 notebooks

# Keeps counts and the outputs of cells tagged keep_output, which nbval checks.
notebooks: setup
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

lint: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Needs uv (https://docs.astral.sh/uv/); writes hashes for every platform that TensorFlow supports.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv data/standin data/runs

# Kills a running sweep 200 times, lets every call to the disk fail and the power go after each, and throws 11,000
# damaged files and command lines at the kit; 45 minutes or so. A part alone: python benchmarks/NAME.py --help
torture: setup
	$(BIN)/python benchmarks/torture.py --kills 200 --limit-s 1500
	$(BIN)/python benchmarks/failing_disk.py
	$(BIN)/python benchmarks/fuzz.py

# Every figure of benchmarks/README.md, measured here; about an hour and a half. One alone: python benchmarks/NAME.py
bench: setup
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/a_a.py --real 30
	$(BIN)/python benchmarks/power.py
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
