#!/bin/sh
# Make config/lists/sample from the orders beside this script. The private keys are thrown away at the end, so nobody
# can sign a second version under this root: each run makes a new sample with a new root.json.
# Usage: config/lists/make-sample.sh       (PYTHON names an interpreter in which blockd can be imported)
set -eu

lists=$(cd "$(dirname "$0")" && pwd)
cd "$lists/../.."
workshop=$(mktemp -d)
trap 'rm -rf "$workshop"' EXIT INT TERM

authority() {
    "${PYTHON:-python3}" -m blockd authority "$@"
}

authority init "$workshop/sample" --expires 2046-01-01
authority order new --yes "$workshop/sample" "$lists"/orders/*.yaml
authority sign "$workshop/sample" --expires 2046-01-01
authority publish "$workshop/sample" "$workshop/published"

rm -rf "$lists/sample"
cp -R "$workshop/published" "$lists/sample"
