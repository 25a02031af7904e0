"""Exit codes, and what they mean for each command."""

from __future__ import annotations

DONE = 0
NO = 1
USAGE = 2
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

# When a command ends with exit code 1 although nothing went wrong. A test of each stands with its verb.
ANSWER_IS_NO = {
    "blockd check": "a start, or a feed, would be refused",
    "blockd lookup": "a name is not blocked; if all are, it is 0, and 2 if one of several is not a name",
    "blockd status": "an alarm of severity warning or critical is in force",
    "blockd reload": "the config cannot be taken; the one in force stays",
    "blockd refresh": "a feed was refused",
    "blockd versions": "no version is kept yet",
    "blockd accept": "the content is not taken, or is not enforced yet",
    "blockd override add": "the override is kept, but not enforced yet",
    "blockd override list": "no override is in force",
    "blockd override end": "the end is kept, but not enforced yet",
    "blockd held": "nothing is held back",
    "blockd held release": "the release is kept, but not enforced yet",
    "blockd held hold": "the end of the release is kept, but not enforced yet",
    "blockd cache show": "nothing of the name is cached, in any worker",
    "blockd cache flush": "a worker did not answer",
    "blockd token list": "there is no token",
    "blockd compile": "a list was refused; the output file is left as it was",
    "blockd validate": "the list would be refused",
    "blockd authority order check-name": "the order does not cover the name",
    "blockd authority sign": "signatures are missing, with --show",
    "blockd authority verify": "a node would refuse any part of it",
    "blockd audit": "no record matches",
    "blockd audit prove": "the name was not blocked, or it is not known whether it was",
    "blockd audit verify": "anything is wrong",
    "blockd doctor": "a finding is bad",
}


def exit_codes(command: str) -> list[tuple[int, str]]:
    """Return the exit codes of a command, such as `blockd audit prove`, each with its meaning."""
    no = f"{ANSWER_IS_NO[command]}; or the command failed" if command in ANSWER_IS_NO else "the command failed"
    wrong = "the usage or the config is wrong, or the running daemon cannot be asked"
    return [(DONE, "done"), (NO, no), (USAGE, wrong), (INTERRUPTED, "interrupted (SIGINT)")]
