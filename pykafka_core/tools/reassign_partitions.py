"""kafka-reassign-partitions: move partitions to other brokers or log directories, and see how far that is.

Source of words and statuses: org.apache.kafka.tools.reassign.ReassignPartitionsCommand, KIP-455, KIP-113.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.command import (
    Command,
    Option,
    ToolError,
    UsageError,
    WrongUseError,
    load_settings,
    run_with_client,
    whole_number,
)
from pykafka_core.tools.options import Options

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client

COMMAND = Command(
    "This tool helps to move topic partitions between replicas.",
    [
        Option("additional", "Execute this in addition to what is under way, or change the throttle of that."),
        Option(
            "bootstrap-controller",
            "The controllers to connect to, for --cancel and --list.",
            "String: bootstrap controller to connect to",
            optional=True,
        ),
        Option(
            "bootstrap-server",
            "The servers to connect to.",
            "String: Server(s) to use for bootstrapping",
            optional=True,
        ),
        Option("broker-list", "The brokers that --generate may use: 0,1,2.", "String: brokerlist"),
        Option("cancel", "Cancel what is under way."),
        Option(
            "command-config", "A properties file with settings of the client.", "String: Admin client property file"
        ),
        Option("disable-rack-aware", "Place replicas without regard to racks."),
        Option("disallow-replication-factor-change", "Refuse what would change a partition's number of replicas."),
        Option("execute", "Begin what --reassignment-json-file describes."),
        Option("generate", "Propose a new assignment; nothing is changed."),
        Option("list", "List what is under way."),
        Option("preserve-throttles", "Leave the throttles of brokers and topics as they are."),
        Option(
            "reassignment-json-file",
            'A file with the new assignment: {"partitions": [{"topic": "foo", "partition": 1, "replicas": [1,2,3], '
            '"log_dirs": ["dir1","dir2","dir3"]}], "version": 1}. A log directory is an absolute path or "any"; they '
            "may be left out.",
            "String: manual assignment json file path",
        ),
        Option(
            "replica-alter-log-dirs-throttle",
            "The most bytes a second that moves between the log directories of a broker may take. (default: -1)",
            "Long: replicaAlterLogDirsThrottle",
        ),
        Option(
            "throttle",
            "The most bytes a second that moves between brokers may take. (default: -1)",
            "Long: throttle",
        ),
        Option(
            "timeout",
            "The most milliseconds to wait for moves between log directories to begin. (default: 10000)",
            "Long: timeout",
        ),
        Option(
            "topics-to-move-json-file",
            'A file with the topics that --generate is about: {"topics": [{"topic": "foo"}], "version": 1}',
            "String: topics to reassign json file path",
        ),
        Option("verify", "See whether what --reassignment-json-file describes is done, and end the throttles if so."),
    ],
)
ACTIONS = ("generate", "execute", "verify", "cancel", "list")
NEEDED = {
    "generate": ("topics-to-move-json-file", "broker-list"),
    "execute": ("reassignment-json-file",),
    "verify": ("reassignment-json-file",),
    "cancel": ("reassignment-json-file",),
    "list": (),
}
ALLOWED = {
    "generate": ("bootstrap-server", "command-config", "disable-rack-aware"),
    "execute": (
        "additional", "bootstrap-server", "command-config", "throttle", "replica-alter-log-dirs-throttle", "timeout",
        "disallow-replication-factor-change",
    ),
    "verify": ("bootstrap-server", "command-config", "preserve-throttles"),
    "cancel": ("bootstrap-server", "bootstrap-controller", "command-config", "preserve-throttles", "timeout"),
    "list": ("bootstrap-server", "bootstrap-controller", "command-config"),
}  # fmt: skip


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        action = check_options(options)
        numbers = {
            name: whole_number(options, name) for name in ("throttle", "replica-alter-log-dirs-throttle", "timeout")
        }
    except WrongUseError as wrong:
        return COMMAND.refuse(wrong)
    except UsageError as error:
        return COMMAND.refuse(error)
    except ToolError as error:
        print(f'Exception in thread "main" {error.java_name}: {error}', file=sys.stderr)
        return 1
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.tools.reassignment import TerseError

    try:
        settings = load_settings(options.last("command-config"), "reassign-partitions-tool")
        servers = options.last("bootstrap-server") or options.last("bootstrap-controller") or ""
        run_with_client(servers, settings, lambda client: act(client, action, options, numbers))
    except TerseError as error:
        print(error)
        return 1
    except ToolError as error:
        return failed(str(error), f"{error.java_name}: {error}", error.__cause__)
    except KafkaError as error:
        text = error.java_text()
        return failed(text, f"java.util.concurrent.ExecutionException: {text}", error)
    return 0


def failed(text: str, java_text: str, cause: object) -> int:
    """All of it on standard output, as Kafka's tool does it, with the cause that Java would have named."""
    from pykafka_core.client.errors import KafkaError

    print(f"Error: {text}\n{java_text}")
    if isinstance(cause, KafkaError):
        if not java_text.startswith("java.util"):
            print(f"Caused by: java.util.concurrent.ExecutionException: {cause.java_text()}")
        print(f"Caused by: {cause.java_text()}")
    elif isinstance(cause, FileNotFoundError):
        print(f"Caused by: java.nio.file.NoSuchFileException: {cause.filename}")
    print()
    return 1


def check_options(options: Options) -> str:
    """The action. Raises WrongUseError."""
    given = [action for action in ACTIONS if action in options]
    if len(given) != 1:
        names = ", ".join(f"--{action}" for action in ACTIONS)
        raise WrongUseError(f"Command must include exactly one action: {names}")
    action = given[0]
    if "bootstrap-server" in options and "bootstrap-controller" in options:
        raise WrongUseError("Please don't specify both --bootstrap-server and --bootstrap-controller")
    if "bootstrap-server" not in options and "bootstrap-controller" not in options:
        raise WrongUseError("Please specify either --bootstrap-server or --bootstrap-controller")
    COMMAND.require(options, *NEEDED[action])
    for name in options.values:
        if name not in (action, *NEEDED[action], *ALLOWED[action]):
            raise WrongUseError(f'Option "[{name}]" can\'t be used with action "[{action}]"')
    return action


async def act(client: Client, action: str, options: Options, numbers: dict[str, int | None]) -> None:
    from pykafka_core.tools import reassignment as r

    text = r.read_text(options.last("reassignment-json-file") or options.last("topics-to-move-json-file"))
    timeout_ms = 10_000 if numbers["timeout"] is None else numbers["timeout"]
    match action:
        case "list":
            await r.list_moves(client)
        case "generate":
            await r.generate(
                client, text, options.last("broker-list") or "", by_rack="disable-rack-aware" not in options
            )
        case "execute":
            await r.execute(
                client,
                r.parse_assignment(text),
                additional="additional" in options,
                throttle=numbers["throttle"],
                directory_throttle=numbers["replica-alter-log-dirs-throttle"],
                timeout_ms=timeout_ms,
                factor_may_change="disallow-replication-factor-change" not in options,
            )
        case "verify":
            await r.verify(client, r.parse_assignment(text), keep_throttles="preserve-throttles" in options)
        case _:
            await r.cancel(
                client,
                r.parse_assignment(text),
                keep_throttles="preserve-throttles" in options,
                timeout_ms=timeout_ms,
            )


if __name__ == "__main__":
    sys.exit(main())
