#!/usr/bin/env bash
# Install the Debian packages that the benchmark needs, and the servers that blockd is compared with. None of them is
# started as a service, now or at the next boot; what was installed before stays as it is. Needs root.
set -eu

packages=(
    dnsperf          # the load
    knot             # knotd, the upstream
    util-linux       # taskset
    gcc libc6-dev    # the floor, and what measures delays
    bind9            # named
    bind9-dnsutils   # nsupdate
    dnsdist
    dnsmasq-base
    knot-resolver    # kresd
    pdns-recursor
    tinycdb          # cdb, which makes dnsdist's database
    unbound
)
services=(dnsdist kresd.target knot named pdns-recursor unbound)

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

enabled=" "
if command -v systemctl >/dev/null; then
    for service in "${services[@]}"; do
        if systemctl --quiet is-enabled "$service" 2>/dev/null; then enabled+="$service "; fi
    done
fi
# Debian's packages ask this program whether they may start their services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
if command -v systemctl >/dev/null; then
    for service in "${services[@]}"; do
        [[ "$enabled" == *" $service "* ]] || systemctl --quiet disable "$service" 2>/dev/null || true
    done
fi
