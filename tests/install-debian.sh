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
    prometheus     # it and promtool load the rules and ask what the dashboard asks
    lintian        # what is wrong with a Debian package
    mmdebstrap     # roots in which the package and the Dockerfile are rehearsed
    minisign       # signatures of lists
    softhsm2       # a token for keys of authorities
    unbound        # what operators move over from, beside named above
    dnsdist
    pdns-recursor
    tinycdb        # cdb, which makes dnsdist's database
    knot-dnsutils  # kdig, which asks over TLS and HTTPS, with padding
    openssl        # s_client, and certificates of tests
    libssl-dev     # what TLS in C is compiled with
    libnghttp2-dev # what HTTP/2 in C is compiled with
    nghttp2-client # h2load and nghttp, which speak HTTP/2 and nothing of DNS
    nginx-light    # a proxy that asks whether a name is blocked
    squid          # another, by its helper
    chromium       # a browser with DNS over HTTPS, and for the console
    chromium-driver # what the console is driven with as a person would
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
