"""What the verbs of `blockd authority order` take."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.grammar.parts import MixedParser, Verb, names_may_begin_with_hyphens, nothing

# As `blockd.orders` has them, which a test compares: without the actions that only policy zones have.
ACTIONS = ("sinkhole", "nxdomain", "nodata", "refused", "drop", "cname", "tcp-only", "monitor", "allow")
MANDATES = ("law", "operator", "client")
_TEXTS = {
    "id": "the order's id; it never changes",
    "authority": "who orders; filled in from the role",
    "platform": "the service that people know",
    "legal_basis": "the law",
    "reference": "the instrument itself, such as a letter's number",
    "summary": "a few sentences for the people who are blocked",
    "reported_by": "who reported the case",
    "assessed_by": "who assessed it",
    "decided_by": "who decided on the order",
    "language": "the language of its texts, as a tag such as id or en-GB",
    "lumen_id": "the number of its notice in the Lumen database",
    "contact": "where people can object",
    "review_by": "when somebody looks at it again",
    "cname": "the target, if the action is cname",
}


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="order_verb", required=True, metavar="VERB", parser_class=MixedParser)
    for name, verb in VERBS.items():
        child = verbs.add_parser(name, help=verb.help, description=verb.help)
        child.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
        child.add_argument(
            "--config",
            type=Path,
            default=argparse.SUPPRESS,
            metavar="FILE",
            help="whose protected names and suffixes count",
        )
        child.set_defaults(step_module=f"blockd.cli.authority.order.{name.replace('-', '_')}")
        verb.declare(child)


def _place(parser: argparse.ArgumentParser) -> None:
    """Declare the workshop and the order that a verb is about."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the workshop")
    parser.add_argument("identifier", metavar="ORDER", help="the order, as ID or ROLE/ID")
    parser.add_argument("--role", metavar="ROLE", help="the authority's role; not needed if only one has the id")


def _yes(parser: argparse.ArgumentParser) -> None:
    """Declare the consent to what is asked back."""
    parser.add_argument(
        "--yes", action="store_true", help="stage names that take more than they say, such as popular ones"
    )


def _list_option(parser: argparse.ArgumentParser, option: str = "") -> None:
    """Declare a list of names, as an option or as what the verb takes, and what is allowed with it."""
    said = "a list of names, one on each line, plain or gzip"
    if option:
        parser.add_argument(option, type=Path, metavar="FILE", help=f"{said}, for an order of national size")
    else:
        parser.add_argument("list", type=Path, metavar="FILE", help=said)
    parser.add_argument("--leave-out", action="store_true", help="leave out names that cannot be blocked")
    parser.add_argument("--shrink", action="store_true", help="let the list lose more names than the gate lets it")


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the workshop")
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="order documents, YAML or JSON")
    parser.add_argument(
        "--role", metavar="ROLE", help="the authority whose order it is; by default the repository itself"
    )
    parser.add_argument("--template", action="store_true", help="print a template with every field, and do nothing")
    for name, said in _TEXTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", dest=f"field_{name}", help=said)
    parser.add_argument("--from", metavar="DATE", dest="field_in_force_from", help="when it takes force")
    parser.add_argument("--expires", metavar="DATE|never", dest="field_expires", help="when it ends")
    parser.add_argument(
        "--action", choices=ACTIONS, dest="field_action", help="what is done with its names; by default sinkhole"
    )
    parser.add_argument("--mandate", choices=MANDATES, dest="field_mandate", help="who wants the block")
    parser.add_argument(
        "--scope",
        choices=("exact", "subdomains", "both"),
        dest="field_scope",
        help="what is covered of each name: it alone, the names under it, or (by default) both",
    )
    parser.add_argument("--name", metavar="NAME", action="append", help="a name to cover; may be given many times")
    parser.add_argument("--names-file", type=Path, metavar="FILE", help="a file with a name on each line")
    parser.add_argument("--notice", metavar="sent=DATE;…", action="append", help="with channel=, text=, answer=")
    parser.add_argument(
        "--confidential", action="store_true", help="write hashes in the place of the names, and the names nowhere"
    )
    _list_option(parser, "--list")
    _yes(parser)


def _edit(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        action="append",
        help="set a field instead of asking an editor; VALUE is YAML, and removes the field if it is empty",
    )
    _yes(parser)


def _lift(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument("--on", metavar="DATE", help="when it is lifted, instead of now")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why it is lifted")


def _extend(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument("--expires", metavar="DATE|never", required=True, help="its new end")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is added to the summary")


def _names(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    _list_option(parser)
    _yes(parser)


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the workshop")
    parser.add_argument("--role", metavar="ROLE", help="of one authority only; empty for the repository's own orders")
    _node(parser)


def _node(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--node", metavar="[https://]HOST:PORT", help="the admin port of a node, which is asked what it has seen"
    )


def _show(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    _node(parser)
    parser.add_argument("--language", metavar="LANGUAGE", default="en", help="of the block page; by default en")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the block page there, for a browser")


def _check_name(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    names_may_begin_with_hyphens(parser)
    parser.add_argument("name", metavar="NAME", help="the name; - reads it from standard input")


VERBS = {
    "new": Verb("stage orders from files, or one from options", _new),
    "edit": Verb("change an order in an editor, or field by field", _edit),
    "lift": Verb("lift an order", _lift),
    "extend": Verb("let an order last longer", _extend),
    "names": Verb("give an order of national size the names of a list", _names),
    "list": Verb("list the orders: staged, signed, published, and seen by a node", _list),
    "show": Verb("show an order as subscribers and nodes will see it", _show),
    "check-name": Verb("check whether an order covers a name; exit code 1 if it does not", _check_name),
    "remove": Verb("take a staged order out; unlike a lifted order, it gives readers of the list no reason", _place),
    "schema": Verb("print the JSON Schema of order documents", nothing),
}
