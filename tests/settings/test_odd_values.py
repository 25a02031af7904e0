"""Values that parse and then do not work, or mean another thing than they seem to: each is refused with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.settings import load

SIGNED = "feeds: [{name: a, type: signed, url: 'file:/l', root: /r%s}]"
ZONE = "feeds: [{name: a, type: rpz-transfer, zone: rpz.example, primary: %s}]"


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("listen: {dns: ['[::ffff:127.0.0.1]:8053']}", "listen.dns[0]", "write 127.0.0.1"),
        ("listen: {admin: '[::ffff:127.0.0.1]:9053'}", "listen.admin", "write 127.0.0.1"),
        ("listen: {dns: ['224.0.0.251:53']}", "listen.dns[0]", "is a multicast address"),
        ("listen: {dns: ['[ff02::fb]:53']}", "listen.dns[0]", "is a multicast address"),
        ("listen: {dns: ['255.255.255.255:53']}", "listen.dns[0]", "is the broadcast address"),
        ("listen: {dns: ['[fe80::1]:53']}", "listen.dns[0]", "is a link-local address"),
        ("listen: {block_page: {http: ['[fe80::1]:80']}}", "listen.block_page.http[0]", "is a link-local address"),
        ("sinkhole: {ipv6: '::ffff:1.2.3.4'}", "sinkhole.ipv6", "write 1.2.3.4"),
        ("sinkhole: {ipv6: 'ff02::1'}", "sinkhole.ipv6", "is a multicast address"),
        ("sinkhole: {ipv6: 'fe80::1'}", "sinkhole.ipv6", "is a link-local address"),
        ("sinkhole: {ipv4: 224.0.0.1}", "sinkhole.ipv4", "is a multicast address"),
        ("sinkhole: {ipv4: 255.255.255.255}", "sinkhole.ipv4", "is the broadcast address"),
        ("upstreams: ['::ffff:192.0.2.1']", "upstreams[0]", "write 192.0.2.1"),
        ("upstreams: ['0.0.0.0']", "upstreams[0]", "stands for all addresses of this machine"),
        ("upstreams: ['::']", "upstreams[0]", "stands for all addresses of this machine"),
        ("upstreams: ['tls://224.0.0.1#dns.example']", "upstreams[0]", "is a multicast address"),
        ("upstreams: ['fe80::1']", "upstreams[0]", "is a link-local address"),
        (ZONE % "'192.0.2.256'", "feeds[0].primary", "expected a primary's address or name"),
        (ZONE % "'ns1.example:99999'", "feeds[0].primary", "expected a primary's address or name"),
        (ZONE % "'ns1.example:53:1'", "feeds[0].primary", "expected a primary's address or name"),
        (ZONE % "'ns1..example'", "feeds[0].primary", "expected a primary's address or name"),
        (ZONE % "'.'", "feeds[0].primary", "expected a primary's address or name"),
        (ZONE % "'0.0.0.0'", "feeds[0].primary", "stands for all addresses of this machine"),
        (ZONE % "'::ffff:192.0.2.1'", "feeds[0].primary", "write 192.0.2.1"),
        (SIGNED % ", notify: {zone: n.example, from: '::ffff:192.0.2.1'}", "feeds[0].notify.from", "write 192.0"),
        ("clients: {allow: ['::ffff:192.0.2.0/120']}", "clients.allow[0]", "write 192.0.2.0"),
        ("state_dir: ~/var", "state_dir", "the home folder is not filled in here; write the whole path"),
        ("state_dir: ~blockd/var", "state_dir", "or ./~blockd/var for a name that begins so"),
        ("state_dir: $HOME/var", "state_dir", "a variable is not filled in here"),
        ("state_dir: off", "state_dir", "got the word 'off'"),
        ("gate: {public_suffixes: no}", "gate.public_suffixes", "expected true, false or a path, got 'no'"),
        ("gate: {public_suffixes: 'Off'}", "gate.public_suffixes", "write ./Off"),
        ("gate: {popular: none}", "gate.popular", "leave the key out for its default"),
        ("gate: {popular: no}", "gate.popular", "got the word 'no'"),
        ("gate: {protected: [none]}", "gate.protected[0]", "got the word 'none'"),
        ("feeds: [{name: a, type: domains, path: ~/list}]", "feeds[0].path", "the home folder"),
        (SIGNED.replace("/l", "~/l") % "", "feeds[0].url", "the home folder"),
        (SIGNED.replace("root: /r", "root: ~/r") % "", "feeds[0].root", "the home folder"),
        ("workers: 017", "workers", "got '017'"),
        ("workers: 0x10", "workers", "got '0x10'"),
        ("versions: {keep: 1:30}", "versions.keep", "'1:30'"),
        ("workers: on", "workers", "got 'on'"),
        ("workers:", "workers", "got an empty value"),
        ("state_dir:", "state_dir", "got an empty value"),
        ("listen:", "listen", ""),
        ("listen: {dns:}", "listen.dns", ""),
        ("feeds:", "feeds", ""),
        ("user:", "user", ""),
        ("audit: {statement: no}", "audit.statement", "got 'no'"),
        ("listen: {dns: ['0.0.0.0:53', '127.0.0.1:53']}", "listen.dns[1]", "is already used by listen.dns[0]"),
        ("listen: {dns: ['127.0.0.1:53'], admin: '127.0.0.1:53'}", "listen.admin", "is already used by listen.dns[0]"),
        ("listen: {dns: ['[::1]:53', '[0:0:0:0:0:0:0:1]:53']}", "listen.dns[1]", "is already used by listen.dns[0]"),
        ("listen: {dns: ['0.0.0.0:53']}\nupstreams: ['127.0.0.1']", "upstreams[0]", "is blockd itself"),
    ],
)
def test_odd_value_is_refused_with_place_and_remedy(text: str, place: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{place}: ")
    assert remedy in problem


@pytest.mark.parametrize(
    "text",
    [
        "state_dir: ./~/var",
        "gate: {public_suffixes: ./no}",
        "gate: {public_suffixes: false}",
        "workers: 1",
        "listen: {dns: ['0.0.0.0:53', '[::]:53']}",
        "sinkhole: {ipv4: 0.0.0.0, ipv6: '::'}",
        "clients: {allow: ['fe80::/10', '224.0.0.0/4']}",
        "operator: {name: no}",
    ],
)
def test_what_only_looks_odd_is_taken(text: str, tmp_path: Path) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    load(path)
