#!/bin/sh
# Renews the exact, hashed sets from pyproject.toml: run.txt (the product) and dev.txt (product, tests, checks).
set -eu
cd "$(dirname "$0")/.."
common="--universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11"
uv pip compile $common pyproject.toml --group build -o requirements/run.txt
uv pip compile $common pyproject.toml --extra postgres --group build --group dev -c requirements/run.txt -o requirements/dev.txt
