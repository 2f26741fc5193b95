#!/bin/sh
# Renews the exact, hashed sets from pyproject.toml: run.txt (the product), dev.txt (product, tests, checks), and
# transformers.txt (what the extra takes beside them, but for torch: its builds are many, and each takes gigabytes).
set -eu
cd "$(dirname "$0")/.."
common="--universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11"
uv pip compile $common pyproject.toml --group build -o requirements/run.txt
uv pip compile $common pyproject.toml --extra otel --extra postgres --extra redis --group build --group dev -c requirements/run.txt -o requirements/dev.txt
sed -n 's/^transformers = .*"\(transformers==[^"]*\)".*/\1/p' pyproject.toml \
    | uv pip compile $common - -c requirements/dev.txt -o requirements/transformers.txt
