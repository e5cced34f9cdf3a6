"""kafka-groups: list groups of all types.

Source of words and statuses: org.apache.kafka.tools.GroupsCommand.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.command import (
    COMMAND_CONFIG,
    Command,
    Option,
    ToolError,
    UsageError,
    WrongUseError,
    run_by_name,
    say,
)

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.client.groups import GroupListing
    from pykafka_core.tools.options import Options

TYPES = {"consumer": "Consumer", "classic": "Classic", "share": "Share", "streams": "Streams"}
KINDS = ("consumer", "share", "streams")

COMMAND = Command(
    "This tool helps to list groups of all types.",
    [
        Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: server to connect to"),
        COMMAND_CONFIG,
        Option("consumer", "Only groups of consumers, of either protocol."),
        Option("group-type", "Only groups of this type: classic, consumer, share or streams.", "String: type"),
        Option("list", "List the groups."),
        Option("protocol", "Only groups of this protocol type.", "String: protocol"),
        Option("share", "Only share groups."),
        Option("streams", "Only streams groups."),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        if "bootstrap-server" not in options and "help" not in options and "version" not in options:
            raise WrongUseError("Missing required option(s) [bootstrap-server]")
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        check_options(options)
    except (UsageError, WrongUseError) as error:
        return COMMAND.refuse(error)
    except ToolError as error:
        return say(error)
    return run_by_name("groups", "GroupsCommand", options, lambda client: list_groups(client, options))


def check_options(options: Options) -> None:
    """Raises WrongUseError, ToolError."""
    if "list" not in options:
        raise WrongUseError("Command must include exactly one action: --list.")
    if (options.last("group-type") or "consumer").lower() not in TYPES:
        raise ToolError("--group-type must be a valid group type.")
    for kind in KINDS:
        for other in ("consumer", "group-type", "protocol", "share", "streams"):
            if kind != other and kind in options and other in options:
                raise WrongUseError(f'Option "[{kind}]" can\'t be used with option "[{other}]"')


async def list_groups(client: Client, options: Options) -> None:
    from pykafka_core.client import groups
    from pykafka_core.tools.java_order import hash_map_order

    found = {each.group_id: each for each in await groups.list_groups(client)}
    rows = [
        (each.group_id, each.group_type, each.protocol_type)
        for each in map(found.__getitem__, hash_map_order(found))
        if is_wanted(each, options)
    ]
    width = max([20, *(len(cell) for row in rows for cell in row)])
    print(" ".join(f"{name:{width}}" for name in ("GROUP", "TYPE", "PROTOCOL")))
    for row in rows:
        print("".join(f"{cell:{width}} " for cell in row))


def is_wanted(group: GroupListing, options: Options) -> bool:
    wanted_type, protocol = options.last("group-type"), options.last("protocol")
    if wanted_type is not None:
        return group.group_type == TYPES[wanted_type.lower()] and protocol in (None, group.protocol_type)
    if protocol is not None:
        return group.protocol_type == protocol
    if "consumer" in options:
        return group.protocol_type in ("", "consumer") or group.group_type == "Consumer"
    if "share" in options:
        return group.group_type == "Share"
    return "streams" not in options or group.group_type == "Streams"


if __name__ == "__main__":
    sys.exit(main())
