#!/usr/bin/env bash
# Install the Debian packages whose programs the tests ask blockd with. Without them these tests are skipped.
# Needs root.
set -eu

packages=(
    bind9-dnsutils # dig
    curl           # the commands of README.md and docs/
    knot           # knotd, a real name server to forward to, and a primary to transfer from
    bind9          # named, a primary to transfer from
    dnsperf        # questions in the short benchmark
    prometheus     # promtool, which checks the alert rules
    minisign       # signatures of lists
    softhsm2       # a token for keys of authorities
    unbound        # what operators move over from, beside named above
    dnsdist
    pdns-recursor
    tinycdb        # cdb, which makes dnsdist's database
)

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
fi
