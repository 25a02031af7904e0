"""`blockd authority delegate`: the authorities of a repository, each with its part and its keys."""

from __future__ import annotations

import argparse

from blockd.cli.authority.order.staging import next_step
from blockd.cli.authority.public_keys import public_keys
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.publish import Workshop
from blockd.publish.delegations import authority_name, delegate, may_lift_of, undelegate, write_delegations
from blockd.publish.keys.signers import name_signers, signer_names, told_signer
from blockd.publish.pending import pending_roles


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    changes = bool(args.name or args.key or args.threshold or args.may_lift is not None)
    if args.list + args.remove + changes != 1 or args.list == bool(args.role) or args.threshold < 0:
        raise CommandError(
            "delegate takes one of: ROLE --name TEXT --key PUBLIC... --threshold N --may-lift ROLE..., ROLE "
            "--remove, --list"
        )
    workshop = Workshop(args.folder)
    if args.list:
        return _list(workshop, args.json)
    keys = public_keys(args.key)
    with workshop.locked():
        delegations = workshop.staged_delegations()
        if args.remove:
            undelegate(delegations, args.role)
        else:
            public = [key for key, _ in keys.values()]
            delegate(delegations, args.role, args.name, public, args.threshold, args.may_lift)
            name_signers(workshop, {keyid: name for keyid, (_, name) in keys.items()})
        write_delegations(workshop.delegations, delegations)
    done = "removed" if args.remove else "staged"
    told = {"role": args.role, "done": done}
    if not args.remove:
        told["authority"] = workshop.authority_of(args.role)
    show(args.json, told, [f"{done} {args.role}", next_step(args.folder, "")])
    return 0


def _list(workshop: Workshop, as_json: bool) -> int:
    names, pending = signer_names(workshop), pending_roles(workshop)
    rows = []
    for role, told in (workshop.staged_delegations().roles or {}).items():
        rows.append(
            {
                "role": role,
                "authority": authority_name(told),
                "threshold": told.threshold,
                "keys": [{"keyid": keyid, "name": names.get(keyid, "")} for keyid in told.keyids],
                "may_lift": list(may_lift_of(told)),
                "orders": len(workshop.staged(role)),
                "signed_version": max(workshop.versions(role), default=0),
                "pending": role in pending,
            }
        )
    lines = []
    for row, told in zip(rows, (workshop.staged_delegations().roles or {}).values(), strict=True):
        keys = f"{row['threshold']} of {len(told.keyids)} keys"
        lines.append(f"{row['role']:20} {row['orders']:5} orders, {keys} {row['authority']}")
        if lifted := may_lift_of(told):
            lines.append(f"    may lift the orders of {', '.join(lifted)}")
        lines += [f"    {told_signer(names, keyid)}" for keyid in told.keyids]
    show(as_json, {"authorities": rows}, lines or [f"{workshop.folder} has no authorities; its orders are its own."])
    return 0
