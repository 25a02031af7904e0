#!/usr/bin/env bash
# Put axe-core, which looks for what keeps people from using a page, into build/axe. Without it one test is skipped.
# It is made by Deque Systems, under the MPL-2.0, and is no part of blockd. Needs npm.
set -eu
cd "$(dirname "$0")/.."
version=4.14.1
digest=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c # SHA-256 of axe.min.js
mkdir -p build/axe
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm pack --silent "axe-core@$version" >/dev/null && tar -xzf "axe-core-$version.tgz" package/axe.min.js)
echo "$digest  $folder/package/axe.min.js" | sha256sum --check --quiet
cp "$folder/package/axe.min.js" build/axe/axe.min.js
