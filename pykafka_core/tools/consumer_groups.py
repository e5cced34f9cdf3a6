"""kafka-consumer-groups: list, describe and delete groups; reset and delete their offsets.

Statuses are Kafka's: what a broker refuses is printed and ends with 0, only wrong use ends with 1.
Source of words and statuses: org.apache.kafka.tools.consumer.group.ConsumerGroupCommand.
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
    load_settings,
    run_with_client,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pykafka_core.client.cluster import Client
    from pykafka_core.tools.options import Options

ACTIONS = ("list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex")
SCENARIOS = (
    "to-offset",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "shift-by",
    "from-file",
)
STATES = (
    "PreparingRebalance",
    "CompletingRebalance",
    "Stable",
    "Dead",
    "Empty",
    "Assigning",
    "Reconciling",
)
TYPES = ("Classic", "Consumer")

COMMAND = Command(
    "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset "
    "consumer group offsets.",
    [
        Option("all-groups", "Act on all consumer groups."),
        Option("all-topics", "Reset the offsets of all topics that the group has committed."),
        Option("bootstrap-server", "The servers to connect to.", "String: server to connect to"),
        COMMAND_CONFIG,
        Option("by-duration", "Reset to so long before now, as P1DT2H3M4S.", "String: duration"),
        Option("delete", "Delete groups with all they have committed."),
        Option("delete-offsets", "Delete what a group has committed for topics."),
        Option("describe", "Show a group's partitions, offsets and lag."),
        Option("dry-run", "Only show the offsets to reset to; the default."),
        Option("execute", "Reset the offsets."),
        Option("export", "Print the offsets to reset to as CSV."),
        Option("from-file", "Reset to the offsets of a CSV file.", "String: path to CSV file"),
        Option("group", "The group to act on; may be repeated.", "String: consumer group"),
        Option("list", "List all consumer groups."),
        Option("members", "Describe the members of a group."),
        Option("offsets", "Describe the offsets of a group; the default."),
        Option("reset-offsets", f"Reset the offsets of groups without members. One of --{', --'.join(SCENARIOS)}."),
        Option("shift-by", "Reset to the current offset plus this number.", "Long: number-of-offsets"),
        Option(
            "state",
            "With --describe, the state of the group. With --list, the states of all, or those in the states given, "
            "as stable,empty.",
            "String",
            optional=True,
        ),
        Option("timeout", "How long a call may take, in milliseconds; 30000 if not given.", "Long: timeout (ms)"),
        Option("to-current", "Reset to the current offset."),
        Option("to-datetime", "Reset to a time, as YYYY-MM-DDThh:mm:ss.sss.", "String: datetime"),
        Option("to-earliest", "Reset to the earliest offset."),
        Option("to-latest", "Reset to the latest offset."),
        Option("to-offset", "Reset to this offset.", "Long: offset"),
        Option(
            "topic",
            "The topic whose offsets are reset or deleted, or some of its partitions, as topic:0,1,2; may be repeated.",
            "String: topic",
        ),
        Option("type", "With --list, the types of groups, or those of the types given.", "String", optional=True),
        Option("validate-regex", "Check a regular expression of the RE2 syntax.", "String: regex"),
        Option("verbose", "Show more with --describe."),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        check_available(options)
    except UsageError as error:
        print(f'Exception in thread "main" {error.java_name}: {error}', file=sys.stderr)
        return 1
    try:
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        check_options(options)
        if "validate-regex" in options:
            from pykafka_core.tools.re2_syntax import regex_fault

            regex = options.last("validate-regex") or ""
            fault = regex_fault(regex)
            print(f"The regular expression `{regex}` is {f'invalid: {fault}' if fault else 'valid'}.")
            return 0
        return run(options)
    except WrongUseError as wrong:
        return COMMAND.refuse(wrong)


def run(options: Options) -> int:
    """Raises WrongUseError."""
    from dataclasses import replace

    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.java_errors import JavaError, thrown

    try:
        timeout = long_option(options, "timeout")
        settings = load_settings(options.last("command-config"))
        limited = replace(settings, default_api_timeout_ms=30_000 if timeout is None else timeout)
        run_with_client(
            options.last("bootstrap-server") or "", limited, lambda client: action(options)(client, options)
        )
    except (JavaError, ToolError, KafkaError) as error:
        failure = thrown(error)
        print(f"\nError: Executing consumer group command failed due to {failure}", flush=True)
        failure.print_causes()
    return 0


def action(options: Options) -> Callable[[Client, Options], Awaitable[None]]:
    if "list" in options:
        return list_groups
    if "describe" in options:
        from pykafka_core.tools.consumer_groups_describe import describe

        return describe
    if "delete" in options:
        return delete_groups
    from pykafka_core.tools.consumer_groups_offsets import delete_offsets, reset_offsets

    return reset_offsets if "reset-offsets" in options else delete_offsets


def check_available(options: Options) -> None:
    """Raises UsageError where an option makes no sense without another."""
    needs = {
        **dict.fromkeys(("members", "verbose", "offsets"), ("describe",)),
        "state": ("describe", "list"),
        "type": ("list",),
    }
    missing = [name for name, others in needs.items() if name in options and not any(o in options for o in others)]
    if missing and "help" not in options:
        raise UsageError(
            f"Option(s) [{', '.join(sorted(missing))}] are unavailable given other options on the command line",
            "joptsimple.UnavailableOptionException",
        )


def check_options(options: Options) -> None:
    """Raises WrongUseError."""
    if "validate-regex" not in options:
        COMMAND.require(options, "bootstrap-server")
    of_groups = "group" in options or "all-groups" in options
    if "describe" in options:
        if not of_groups:
            raise WrongUseError("Option [describe] takes one of these options: [all-groups], [group]")
        if sum(name in options for name in ("members", "offsets", "state")) > 1:
            raise WrongUseError("Option [describe] takes at most one of these options: [members], [offsets], [state]")
        if options.last("state"):
            raise WrongUseError("Option [describe] does not take a value for [state]")
    if "delete" in options:
        if not of_groups:
            raise WrongUseError("Option [delete] takes one of these options: [all-groups], [group]")
        if "topic" in options:
            raise WrongUseError("The consumer does not support topic-specific offset deletion from a consumer group.")
    if "delete-offsets" in options and not ("group" in options and "topic" in options):
        raise WrongUseError("Option [delete-offsets] takes the following options: [topic], [group]")
    if "reset-offsets" in options:
        check_reset(options, of_groups)
    for used, others in (("group", ("all-groups",)), ("group", ("list",)), ("topic", ("list", "describe"))):
        for other in others:
            if used in options and other in options:
                raise WrongUseError(f'Option "[{used}]" can\'t be used with option "[{other}]"')
    if sum(name in options for name in ACTIONS) != 1:
        raise WrongUseError(f"Command must include exactly one action: {', '.join(f'--{name}' for name in ACTIONS)}")


def check_reset(options: Options, of_groups: bool) -> None:
    """Raises WrongUseError."""
    if "dry-run" in options and "execute" in options:
        raise WrongUseError("Option [reset-offsets] only accepts one of [execute] and [dry-run]")
    if "dry-run" not in options and "execute" not in options:
        print(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will "
            "require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if "
            "you are scripting this command and want to keep the current default behavior without prompting.",
            file=sys.stderr,
        )
    if not of_groups:
        raise WrongUseError("Option [reset-offsets] takes one of these options: [all-groups], [group]")
    given = [name for name in SCENARIOS if name in options]
    if len(given) > 1:
        raise WrongUseError(f'Option "[{given[0]}]" can\'t be used with option "[{given[1]}]"')


def long_option(options: Options, name: str) -> int | None:
    """Raises JavaError, as Kafka's command does when it looks at the value."""
    text = options.last(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        from pykafka_core.tools.java_errors import JavaError

        number = f'java.lang.NumberFormatException: For input string: "{text}"'
        raise JavaError(
            "joptsimple.OptionArgumentConversionException",
            f"Cannot parse argument '{text}' of option {name}",
            (f"joptsimple.internal.ReflectionException: {number}", number),
        ) from None


def chosen(text: str | None, names: tuple[str, ...], what: tuple[str, str]) -> list[str]:
    """A list of states or types from the command line; `what` it is, and several of it. Raises WrongUseError."""
    if not text:
        return []
    known = {name.lower(): name for name in names}
    words = [word.strip().lower() for word in text.split(",")]
    if not all(word in known for word in words):
        raise WrongUseError(f"Invalid {what[0]} list '{text}'. Valid {what[1]} are: {', '.join(names)}")
    return [known[word] for word in words]


async def list_groups(client: Client, options: Options) -> None:
    from pykafka_core.client import groups
    from pykafka_core.tools.java_errors import EXECUTION, as_thrown
    from pykafka_core.tools.java_order import hash_map_order

    if "state" not in options and "type" not in options:
        for group_id in await consumer_group_ids(client):
            print(group_id)
        return
    types = chosen(options.last("type"), TYPES, ("types", "types"))
    states = chosen(options.last("state"), STATES, ("state", "states"))
    with as_thrown(EXECUTION):
        listed = await groups.list_groups(client, states=states, types=types, protocol_types=("", groups.CONSUMER))
    found = {each.group_id: each for each in listed}
    columns = [("GROUP", max([15, *map(len, found)]) + 10)]
    columns += [("TYPE", 20)] if "type" in options else []
    columns += [("STATE", 20)] if "state" in options else []
    print(" ".join(f"{name:{width}}" for name, width in columns))
    for group_id in hash_map_order(found):
        row = {
            "GROUP": group_id,
            "TYPE": found[group_id].group_type or "Unknown",
            "STATE": found[group_id].state or "Unknown",
        }
        print(" ".join(f"{row[name]:{width}}" for name, width in columns))


async def consumer_group_ids(client: Client) -> list[str]:
    """Every group of consumers, in the order in which Kafka's command has them."""
    from pykafka_core.client import groups
    from pykafka_core.tools.java_errors import EXECUTION, RUNTIME, as_thrown
    from pykafka_core.tools.java_order import hash_map_order

    with as_thrown(EXECUTION, RUNTIME):
        found = await groups.list_groups(client, types=TYPES, protocol_types=("", groups.CONSUMER))
    return hash_map_order(each.group_id for each in found)


async def wanted_groups(client: Client, options: Options) -> list[str]:
    return await consumer_group_ids(client) if "all-groups" in options else options.all("group")


async def delete_groups(client: Client, options: Options) -> None:
    from pykafka_core.client import groups
    from pykafka_core.tools.java_order import hash_map_order

    outcomes = await groups.delete_groups(client, await wanted_groups(client, options))
    deleted = ", ".join(f"'{each}'" for each in hash_map_order(each for each in outcomes if outcomes[each] is None))
    failures = {each: error for each, error in outcomes.items() if error is not None}
    if not failures:
        print(f"Deletion of requested consumer groups ({deleted}) was successful.")
        return
    print("\nError: Deletion of some consumer groups failed:")
    for group_id in hash_map_order(failures):
        print(f"* Group '{group_id}' could not be deleted due to: {failures[group_id].java_text()}")
    if deleted:
        print(f"\nThese consumer groups were deleted successfully: {deleted}")


if __name__ == "__main__":
    sys.exit(main())
