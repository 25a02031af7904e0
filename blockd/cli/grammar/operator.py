"""What the operator's verbs take."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.grammar.parts import Verb, add_part, names_may_begin_with_hyphens, nothing

# As `blockd.settings.TEXT_TYPES` has them, which a test compares: settings take too long to import for a usage error.
LIST_TYPES = ("domains", "hosts", "adblock", "addresses", "rpz")
TOKEN_ROLES = ("metrics", "read", "operator")  # likewise, as `blockd.web.callers.tokens.ROLES` has them
NAMES_SHOWN = 20  # of each kind, unless more are asked for
MAX_NAMES_SHOWN = 1_000_000


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--elsewhere",
        action="store_true",
        help="the config is for another machine or user: leave out what a start would lack here",
    )


def _lookup(parser: argparse.ArgumentParser) -> None:
    names_may_begin_with_hyphens(parser)
    parser.add_argument(
        "names", nargs="+", metavar="NAME",
        help=r"a domain name in ASCII or Unicode, with other octets as \DDD; an address, a network, or a URL; "
        "- reads them from standard input, one a line",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="leave out the lines of lists: milliseconds at any size")
    parser.add_argument(
        "--offline", action="store_true", help="read the state folder, ask no daemon, and follow no aliases"
    )
    parser.add_argument(
        "--client", default="", metavar="ADDRESS", help="what this client gets, by its group; nothing of it is kept"
    )
    parser.add_argument("--at", metavar="TIME", help="at a time such as 2026-11-24T12:00:00Z, as far as that is known")


def _refresh(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feeds", nargs="*", metavar="FEED", help="only these feeds; all of them if none is named")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--popular", type=Path, metavar="FILE", help="with --dry-run: popular names by rank")


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=int, metavar="A", help="a version, as `blockd versions` shows it")
    parser.add_argument("new", type=int, metavar="B", help="another one")
    _limited(parser)
    parser.add_argument("--all", action="store_true", help="every name, as it is found")
    parser.add_argument(
        "--popular",
        type=Path,
        metavar="FILE",
        help="popular names by rank, instead of gate.popular: which are touched?",
    )


def _limited(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=_limit, default=NAMES_SHOWN, metavar="N", help="names shown of each kind")


def _limit(text: str) -> int:
    try:
        limit = int(text)
    except ValueError:
        limit = -1
    if not 0 <= limit <= MAX_NAMES_SHOWN:
        raise argparse.ArgumentTypeError(f"expected 0 to {MAX_NAMES_SHOWN:,} names, got {text!r}")
    return limit


def _reload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="change nothing: show what would be, and every error")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the audit log")


def _upgrade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="change nothing: have the other version try itself")
    parser.add_argument(
        "--from",
        default="",
        dest="program",
        metavar="PROGRAM",
        help="the whole path of its bin/blockd; without it the path that the daemon was started by",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the audit log")


def _rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", type=int, metavar="VERSION", help="as `blockd versions` shows it")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; the audit log keeps it")
    parser.add_argument("--release", action="store_true", help="enforce what is new again")


def _override(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    add = add_part(parts, "add", "never block a name, and what is under it, until a date")
    names_may_begin_with_hyphens(add)
    add.add_argument("name", metavar="NAME", help="a name, an address or a network, as `blockd lookup` reads it")
    add.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit log")
    add.add_argument("--until", required=True, metavar="DATE", help="at most 90 days ahead, such as 2026-12-31")
    add.add_argument("--scope", default="both", choices=("exact", "subdomains", "both"))
    add.add_argument("--as", default="", dest="officer", metavar="OFFICER", help="who answers for it")
    add_part(parts, "list", "the overrides, with those that ended in the last days")
    end = add_part(parts, "end", "end an override before its date")
    names_may_begin_with_hyphens(end)
    end.add_argument("name", metavar="NAME", help="as it was given, or as `override list` shows it")
    end.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit log")


def _compile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lists", nargs="*", type=Path, metavar="LIST", help="text lists; the config's feeds if none")
    parser.add_argument("--type", choices=LIST_TYPES, default="domains", help="what the lists are")
    parser.add_argument("--output", type=Path, default=Path("blockd.ruleset"), metavar="FILE", help="the ruleset file")


def _validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the list, plain or gzip; - reads standard input")
    parser.add_argument(
        "--type", choices=LIST_TYPES, dest="kind", help="the form of its lines; the feed's, else domains"
    )
    parser.add_argument(
        "--feed", metavar="NAME", help="judge it as new content of this feed; else of the feed with this path, if any"
    )


def _accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED")
    parser.add_argument("--reason", metavar="TEXT", help="why; kept in the audit log")
    parser.add_argument("--as", default="", dest="officer", metavar="NAME", help="who answers for it")
    parser.add_argument("--show", action="store_true", help="show what it would change, and change nothing")
    _limited(parser)
    parser.add_argument("--digest", metavar="SHA256", help="take only the content that was shown with this SHA-256")
    parser.add_argument("--yes", action="store_true", help="take it without being asked")


def _held(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--feed", metavar="FEED", help="of this feed only")
    parts = parser.add_subparsers(dest="part", metavar="PART")
    release = add_part(parts, "release", "let an entry through that the gate holds back")
    names_may_begin_with_hyphens(release)
    release.add_argument("name", metavar="ENTRY", help="a name or network, as `blockd held` shows it")
    release.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit log")
    release.add_argument("--as", default="", dest="officer", metavar="OFFICER", help="who answers for it")
    hold = add_part(parts, "hold", "have an entry held back again that was let through")
    names_may_begin_with_hyphens(hold)
    hold.add_argument("name", metavar="ENTRY", help="as it was given, or as `blockd held` shows it")
    hold.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit log")


def _cache(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    show = add_part(parts, "show", "what every worker has cached of a name, until when, and policy's verdict on it")
    names_may_begin_with_hyphens(show)
    show.add_argument("name", metavar="NAME", help="a domain name in ASCII or Unicode")
    flush = add_part(parts, "flush", "remove what is cached of a name, all types, so that upstreams are asked anew")
    names_may_begin_with_hyphens(flush)
    flush.add_argument("name", nargs="?", metavar="NAME", help="a domain name in ASCII or Unicode")
    flush.add_argument("--below", action="store_true", help="what is cached of names under it as well")
    flush.add_argument("--all", action="store_true", help="everything that is cached")


def _token(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    add = add_part(parts, "add", "make a token, which is shown once")
    add.add_argument("name", metavar="NAME", help="what it is called, in the audit log too")
    add.add_argument(
        "--role", required=True, choices=TOKEN_ROLES,
        help="metrics reads series, read reads everything, operator changes what is enforced",
    )  # fmt: skip
    add.add_argument("--expires", metavar="WHEN", help="until when it works, such as 2026-12-31; by default for ever")
    add_part(parts, "list", "the tokens: role, who made it and when, and when it expires")
    remove = add_part(parts, "remove", "end a token at once, and the sessions begun with it")
    remove.add_argument("name", metavar="NAME", help="as `blockd token list` shows it")


def _squid_helper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at",
        metavar="PLACE",
        help="where the daemon decides, as `listen.decide` has it; without it the first one of the config",
    )
    parser.add_argument(
        "--allow-on-failure", action="store_true", help="let pass what cannot be decided, which Squid denies otherwise"
    )


VERBS = {
    "run": Verb("run the daemon in the foreground", nothing, "service"),
    "check": Verb("check the config and its lists; nothing is started or changed", _check),
    "lookup": Verb("what happens to names and addresses, by which order, since when and why", _lookup),
    "status": Verb("what the running daemon enforces, and how its feeds and workers do", nothing),
    "reload": Verb("have the running daemon take the config on disk, or show what would change", _reload, "service"),
    "upgrade": Verb("have another version take the place of the running one, without a gap", _upgrade, "service"),
    "refresh": Verb("have the running daemon fetch its feeds now", _refresh, "service"),
    "versions": Verb("the rulesets kept: since when, from where, and what each changed", nothing),
    "diff": Verb("names and orders that came and went from one version to another", _diff),
    "rollback": Verb("have the running daemon go back to a version, and stay there until released", _rollback),
    "accept": Verb("take what the gate refused of a feed for its size, rejects or emptiness, once", _accept),
    "override": Verb("never block a name until a date, for a reason: add, list, end", _override),
    "held": Verb("entries that the gate holds back, with line and reason; let one through", _held),
    "cache": Verb("what the running daemon has cached: show a name, flush a name or all", _cache),
    "token": Verb("who is known at the admin port: make, list and remove tokens, each with a role", _token),
    "squid-helper": Verb("decide for Squid, as the helper of an external_acl_type with concurrency", _squid_helper),
    "compile": Verb("compile lists to a ruleset file", _compile),
    "validate": Verb(
        "read a list and say whether the gate would take it, with what is rejected, grouped by reason", _validate
    ),
}
DOCTOR = Verb("is this machine set up well? Checks the machine, the config and the running daemon", nothing)
