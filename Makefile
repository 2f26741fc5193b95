# make run: the product. make test: all tests. Both create the environment in .venv first, with uv where it is installed.
PYTHON ?= python3
TORCH ?= torch
VENV := .venv
BIN := $(VENV)/bin

# What of the tests speaks to the gateway by sockets alone.
OF_THE_WAY := tests/compat --ignore=tests/compat/test_transformers.py \
	$(addprefix tests/acceptance/test_,borders_client.py chaos.py compiled.py leaving.py slots.py)

.PHONY: help run test test-compiled wheel transformers check lint types imports docs accept bench bench-peers bench-herd bench-tasks bench-insight soak chaos requirements clean

help: ## what there is (the default)
	@echo "make TARGET [ARGS=\"...\"]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 17

run: $(VENV)/.run ## start the gateway (ARGS: those of remuda serve)
	@$(BIN)/remuda serve $(ARGS)

test: $(VENV)/.dev ## run all tests (ARGS: those of pytest)
	@$(BIN)/pytest $(ARGS)

test-compiled: $(VENV)/.dev ## run the tests of the request's way on the package as wheels have it
	PYTHONPATH="$$($(BIN)/python -m tools.compiled build/compiled)" $(BIN)/pytest $(OF_THE_WAY) $(ARGS)

wheel: $(VENV)/.dev ## build the wheel for this Python and machine, the request's way compiled (needs a C compiler)
	REMUDA_COMPILE=1 $(BIN)/python -m hatchling build -t wheel -d dist

transformers: $(VENV)/.dev ## add what the transformers engine takes, gigabytes with a GPU build (TORCH: which)
	$(call pip) $(TORCH)
	$(call pip) --require-hashes -r requirements/transformers.txt

check: lint types imports ## format, lint, types, direction of imports

lint: $(VENV)/.dev ## format and lint alone
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev ## types alone
	$(BIN)/mypy

imports: $(VENV)/.dev ## direction of imports alone
	$(BIN)/lint-imports

docs: $(VENV)/.dev ## write the pages that repeat the code
	$(BIN)/python -m tools.docs
	$(BIN)/python -m tools.reference_pages

accept: $(VENV)/.dev ## renew snapshots and shrink the lists of exceptions: look at the diff
	ACCEPT=1 $(BIN)/pytest -q -n 0 tests/house tests/docs tests/unit $(ARGS)

bench: $(VENV)/.dev ## measure beside nginx
	$(BIN)/python -m bench $(ARGS)

bench-peers: $(VENV)/.dev ## measure beside other gateways too (installs them)
	$(BIN)/python -m bench --install-peers $(ARGS)

bench-herd: $(VENV)/.dev ## measure policies, affinity, failover and a herd of 50 nodes
	$(BIN)/python -m bench.herd $(ARGS)

bench-tasks: $(VENV)/.dev ## measure durable tasks beside procrastinate
	$(BIN)/python -m bench.tasks $(ARGS)

bench-insight: $(VENV)/.dev ## measure questions to a journal of 10 million records (20 GB on disk meanwhile)
	$(BIN)/python -m bench.insight $(ARGS)

soak: $(VENV)/.dev ## look for leaks, then fail servers at random
	$(BIN)/python -m bench.soak $(ARGS)
	$(BIN)/python -m bench.chaos
	$(BIN)/python -m bench.crashes

chaos: $(VENV)/.dev ## fail servers at random alone
	$(BIN)/python -m bench.chaos $(ARGS)

requirements: ## renew the exact sets of packages (needs uv)
	requirements/compile.sh

clean: ## remove the environment and what benchmarks wrote
	rm -rf $(VENV) bench/out bench/build build dist

# pip ARGUMENTS: install them into the environment that is there.
pip = @if command -v uv >/dev/null 2>&1; then set -- uv pip install --quiet --python $(BIN)/python; \
	else set -- $(BIN)/python -m pip install --quiet --disable-pip-version-check; fi; "$$@"

# install FILE: the exact set of FILE with its hashes, then Remuda itself, editable, without asking an index again.
define install
	@if command -v uv >/dev/null 2>&1; then \
		{ test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV); } \
		&& uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) \
		&& uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
		{ test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV); } \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
endef

$(VENV)/.run: requirements/run.txt pyproject.toml
	$(call install,requirements/run.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	$(call install,requirements/dev.txt)
	@touch $@ $(VENV)/.run
