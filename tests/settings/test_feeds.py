from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.orders import Action, Mandate, Scope, State, next_change, state_at
from blockd.orders.repository import MAX_AUTHORITIES
from blockd.orders.stored import order_to_json, parse_order
from blockd.settings import ListFeed, SignedFeed, WebFeed, load


def feed_of(tmp_path: Path, text: str) -> ListFeed:
    path = tmp_path / "blockd.yaml"
    path.write_text(f"feeds: [{{{text}}}]", encoding="utf-8")
    (feed,) = load(path).feeds
    assert isinstance(feed, ListFeed)
    return feed


def test_of_a_list_without_texts_its_name_is_known_and_nothing_else(tmp_path: Path) -> None:
    order = feed_of(tmp_path, "name: ads, type: domains, path: ads").order()
    assert (order.id, order.list_name, order.authority, order.platform) == ("ads", "ads", "", "")
    assert (order.action, order.mandate, order.in_force_from) == (Action.SINKHOLE, None, None)


def test_a_list_without_a_date_is_in_force_whatever_the_clock_says(tmp_path: Path) -> None:
    order = feed_of(tmp_path, "name: ads, type: domains, path: ads").order()
    assert {state_at(order, now) for now in (0, 1_000, 4e9)} == {State.IN_FORCE}
    assert next_change(order, 0) is None


def test_texts_of_a_list_are_those_of_its_order(tmp_path: Path) -> None:
    order = feed_of(
        tmp_path,
        "name: national, type: domains, url: 'https://lists.example/a', authority: Ministry, platform: P, "
        "legal_basis: Law 1, reference: '7/2017', contact: 'mailto:a@example.net', in_force_from: 2017-07-14, "
        "action: cname, cname: Blocked.example",
    ).order()
    assert order.mandate is Mandate.LAW
    assert order.in_force_from == 1_499_990_400
    assert (order.action, order.cname) == (Action.CNAME, "blocked.example")
    assert (order.authority, order.platform, order.reference) == ("Ministry", "P", "7/2017")


def test_mandate_can_be_given(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, "name: a, type: hosts, path: a, legal_basis: Law 1, mandate: client")
    assert feed.order().mandate is Mandate.CLIENT


@pytest.mark.parametrize("name", ["a", "a-b", "0", "a" * 40])
def test_order_of_a_list_is_a_valid_order(tmp_path: Path, name: str) -> None:
    order = feed_of(tmp_path, f"name: '{name}', type: domains, path: a").order()
    assert parse_order(order_to_json(order), name) == order


def test_file_is_looked_at_more_often_than_a_url(tmp_path: Path) -> None:
    assert feed_of(tmp_path, "name: a, type: domains, path: a").interval == pytest.approx(2)
    assert feed_of(tmp_path, "name: a, type: domains, url: 'http://a.example/'").interval == pytest.approx(3600)
    assert feed_of(tmp_path, "name: a, type: domains, path: a, interval: 5m").interval == pytest.approx(300)


def test_scope_is_both_for_domains_and_exact_for_hosts(tmp_path: Path) -> None:
    domains = feed_of(tmp_path, "name: a, type: domains, path: a")
    hosts = feed_of(tmp_path, "name: a, type: hosts, path: a")
    assert (domains.type, hosts.type) == ("domains", "hosts")
    assert (domains.covers, hosts.covers) == (Scope.BOTH, Scope.EXACT)


def test_signature_stands_beside_its_list_unless_it_is_said_where(tmp_path: Path) -> None:
    assert feed_of(tmp_path, "name: a, type: domains, path: a").signature is None
    swiss = feed_of(tmp_path, "name: a, type: domains, path: a, signature: {type: rsa-sha256, key: k}").signature
    mini = feed_of(tmp_path, "name: a, type: adblock, path: a, signature: {type: minisign, key: k, path: s}").signature
    assert swiss is not None
    assert mini is not None
    assert (swiss.key, swiss.path, swiss.suffix) == (tmp_path.resolve() / "k", None, ".sign")
    assert (mini.path, mini.suffix) == (tmp_path.resolve() / "s", ".minisig")


WEB = {
    "proxy": "http://proxy.example:3128",
    "proxy_login_file": "proxy.login",
    "headers_file": "headers",
    "token_file": "token",
    "client_certificate": "{certificate: a.pem, key: a.key}",
    "allow_private": "true",
}


def test_how_a_server_is_reached_is_for_lists_and_signed_repositories(tmp_path: Path) -> None:
    keys = ", ".join(f"{key}: {value!r}" if ":/" in value else f"{key}: {value}" for key, value in WEB.items())
    listed = feed_of(tmp_path, f"name: a, type: domains, url: 'https://a.example/', {keys}")
    path = tmp_path / "blockd.yaml"
    path.write_text(f"feeds: [{{name: s, type: signed, root: r, url: 'https://a.example/', {keys}}}]")
    (signed,) = load(path).feeds
    for feed in (listed, signed):
        assert isinstance(feed, WebFeed)
        assert feed.token_file == tmp_path.resolve() / "token"
        assert feed.client_certificate is not None
        assert feed.client_certificate.key == tmp_path.resolve() / "a.key"
        assert feed.allow_private
        assert feed.web_urls == ("https://a.example/",)
        assert set(WEB) <= feed.source_keys  # none of them changes a ruleset


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *(
            (
                f"path: a, {key}: {value!r}" if ":/" in value else f"path: a, {key}: {value}",
                f".{key}: is for a feed with",
            )
            for key, value in WEB.items()
        ),
        ("url: 'https://a.example/', token_file: a, login_file: b", ".login_file: token_file is the Authorization"),
        ("url: 'https://a.example/', proxy_login_file: a", ".proxy_login_file: needs a proxy"),
        (
            "url: 'http://a.example/', client_certificate: {certificate: a, key: b}",
            ".client_certificate: needs an https URL",
        ),
        ("url: 'http://a.example/', proxy: 'https://p.example/'", ".proxy: a proxy is spoken with in plain HTTP"),
        ("url: 'http://a.example/', proxy: 'http://p.example/x'", ".proxy: expected a proxy such as"),
        ("url: 'http://a.example/', proxy: 'http://u:s3cr3t@p.example/'", ".proxy: a URL with a user name or password"),
        ("url: 'http://a.example/', proxy: socks5", ".proxy: expected a URL such as http://proxy.example:3128"),
        ("url: 'http://a.example/', allow_private: 'yes'", ".allow_private: "),
    ],
)
def test_a_way_to_a_server_that_contradicts_itself_is_told(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(f"feeds: [{{name: a, type: domains, {text}}}]", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert [found for found in refused.value.problems if found.startswith(f"feeds[0]{problem}")]
    assert "s3cr3t" not in str(refused.value)


def test_source_is_the_path_or_the_url(tmp_path: Path) -> None:
    assert feed_of(tmp_path, "name: a, type: hosts, path: a").place == str(tmp_path.resolve() / "a")
    assert feed_of(tmp_path, "name: a, type: hosts, url: 'http://a.example/'").place == "http://a.example/"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("override: cname", "feeds[0].override_target: the override cname needs a target"),
        ("override_target: a.example", "feeds[0].override_target: the override cname needs a target"),
        ("override: sinkhole", "feeds[0].override: expected one of given, disabled"),
        ("url: 'https://a.example/'", "feeds[0]: has both path and url"),
        ("action: drop", "feeds[0].action: unknown key"),
    ],
)
def test_a_zone_that_contradicts_itself_is_told(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(f"feeds: [{{name: z, type: rpz, path: zone, {text}}}]", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert [found for found in refused.value.problems if found.startswith(problem)]


@pytest.mark.parametrize("action", ["passthru", "local"])
def test_what_only_zones_do_is_no_action_of_a_list(tmp_path: Path, action: str) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(f"feeds: [{{name: z, type: domains, path: x, action: {action}}}]", encoding="utf-8")
    with pytest.raises(ConfigError):
        load(path)


def signed_of(tmp_path: Path, text: str) -> SignedFeed:
    path = tmp_path / "blockd.yaml"
    path.write_text(f"feeds: [{{name: m, type: signed, url: 'file:lists', root: root.json, {text}}}]", encoding="utf-8")
    (feed,) = load(path).feeds
    assert isinstance(feed, SignedFeed)
    return feed


def test_an_authority_may_be_treated_otherwise_than_its_feed(tmp_path: Path) -> None:
    feed = signed_of(tmp_path, "at_expiry: stop, authorities: {telecom: {at_expiry: keep}}")
    assert [feed.at_expiry_of(role) for role in ("telecom", "courts", "")] == ["keep", "stop", "stop"]


def test_a_notify_for_a_signed_list_has_a_zone_and_sources(tmp_path: Path) -> None:
    feed = signed_of(tmp_path, "notify: {zone: Orders.Example, from: ['192.0.2.1', '2001:DB8::1']}")
    assert feed.notify is not None
    assert (feed.notify.zone, feed.notify.sources) == ("orders.example", ("192.0.2.1", "2001:db8::1"))
    assert signed_of(tmp_path, "notify: {zone: a, from: 192.0.2.1}").notify is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("authorities: {root: {at_expiry: stop}}", "feeds[0].authorities.root: expected an authority's role, of"),
        ("authorities: {-a: {at_expiry: stop}}", "feeds[0].authorities.-a: expected an authority's role, of"),
        ("authorities: {a: {at_expirx: stop}}", "feeds[0].authorities.a.at_expirx: unknown key; did you mean"),
        ("authorities: {a: {}}", "feeds[0].authorities.a.at_expiry: is missing"),
        ("authorities: {a: 7}", "feeds[0].authorities.a: expected a mapping, got 7; its keys are at_expiry"),
        ("authorities: 7", "feeds[0].authorities: expected a mapping of names, each with its own keys, got 7"),
        ("notify: {zone: a}", "feeds[0].notify.from: is missing"),
        ("notify: {zone: a, form: x}", "feeds[0].notify.form: unknown key; did you mean from?"),
        ("notify: {zone: a, from: []}", "feeds[0].notify.from: expected 1 to 8 addresses, got 0"),
        ("notify: {zone: a, from: [host.example]}", "feeds[0].notify.from: expected an address such as"),
    ],
)
def test_what_cannot_be_of_a_signed_list_is_told_with_its_path(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        signed_of(tmp_path, text)
    assert sentence in str(caught.value)


def test_authorities_are_bounded(tmp_path: Path) -> None:
    many = ", ".join(f"a{number}: {{at_expiry: stop}}" for number in range(MAX_AUTHORITIES + 1))
    with pytest.raises(ConfigError, match="at most 64"):
        signed_of(tmp_path, f"authorities: {{{many}}}")


SIGNED = "{name: m, type: signed, url: 'file:lists', root: root.json}"


def test_a_zone_may_open_the_orders_of_signed_feeds(tmp_path: Path) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(
        f"feeds: [{SIGNED}, {{name: z, type: rpz, path: zone, may_lift: [m/court, m/targets, m]}}]", encoding="utf-8"
    )
    (_, zone) = load(path).feeds
    assert getattr(zone, "may_lift") == ("m/court", "m/targets", "m")  # noqa: B009 - a zone's key


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[n/court]", "feeds[1].may_lift[0]: 'n' is no feed of this config"),
        ("[m, z]", "feeds[1].may_lift[1]: 'z' is of type rpz, and not signed"),
        ("[m/Court]", "feeds[1].may_lift[0]: expected FEED, FEED/ROLE or FEED/targets, got"),
        ("[m/root]", "feeds[1].may_lift[0]: expected FEED, FEED/ROLE or FEED/targets, got"),
        ("[m/]", "feeds[1].may_lift[0]: expected FEED, FEED/ROLE or FEED/targets, got"),
        ("[7]", "feeds[1].may_lift[0]: expected"),
    ],
)
def test_what_no_zone_may_open_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text(f"feeds: [{SIGNED}, {{name: z, type: rpz, path: zone, may_lift: {text}}}]", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert [found for found in refused.value.problems if found.startswith(sentence)], refused.value.problems
