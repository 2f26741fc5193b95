# make run: the product. make test: all tests. Both create the environment in .venv first, with uv where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check lint types imports docs bench bench-peers soak requirements clean

run: $(VENV)/.run
	@$(BIN)/remuda serve $(ARGS)

test: $(VENV)/.dev
	@$(BIN)/pytest $(ARGS)

check: lint types imports

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/python -m tools.docs
	$(BIN)/python -m tools.reference_pages

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(ARGS)

bench-peers: $(VENV)/.dev
	$(BIN)/python -m bench --install-peers $(ARGS)

soak: $(VENV)/.dev
	$(BIN)/python -m bench.soak $(ARGS)

requirements:
	requirements/compile.sh

clean:
	rm -rf $(VENV) bench/out bench/build

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
