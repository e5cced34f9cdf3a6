"""kafka-storage: format the log directories of a node, and say what is in them.

Source of words and statuses: kafka.tools.StorageTool, org.apache.kafka.metadata.storage.Formatter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pykafka_core.tools.arguments import Argument, Given, Parser, run

if TYPE_CHECKING:
    from pykafka_core.metadata.formatting import FormatPlan, InitialController
    from pykafka_core.protocol.message import Record

CONFIG = Argument("config", "The configuration file of the node.", "CONFIG", "c", required=True)
RELEASE = "The minimum is 3.3-IV3; the default is 4.3-IV0."

PARSER = Parser(
    "kafka-storage",
    "The Kafka storage tool.",
    commands=[
        Parser("info", "Show what the log directories of this node hold.", [CONFIG]),
        Parser(
            "format",
            "Make the log directories of this node ready for use.",
            [
                CONFIG,
                Argument("cluster-id", "The id of the cluster.", "CLUSTER_ID", "t", required=True),
                Argument(
                    "add-scram",
                    "A SCRAM credential to begin with, as in 'SCRAM-SHA-256=[name=alice,password=alice-secret]' or "
                    '\'SCRAM-SHA-512=[name=alice,iterations=8192,salt="N3E=",saltedpassword="YCE="]\'. May be '
                    "repeated.",
                    "ADD_SCRAM",
                    "S",
                ),
                Argument("ignore-formatted", "Leave directories alone that are formatted already.", short="g"),
                Argument(
                    "release-version", f"The release whose features to begin with. {RELEASE}", "RELEASE_VERSION", "r"
                ),
                Argument(
                    "feature",
                    "The level of one feature, as in kraft.version=1. May be repeated.",
                    "FEATURE",
                    "f",
                ),
                Argument(
                    "standalone",
                    "This controller is the only voter of a dynamic quorum. The configuration must not name "
                    "controller.quorum.voters.",
                    short="s",
                ),
                Argument(
                    "no-initial-controllers",
                    "Name no voters of a dynamic quorum: this node will be told of them.",
                    short="N",
                ),
                Argument(
                    "initial-controllers",
                    "The first voters of a dynamic quorum: id@hostname:port:directory, separated by commas; the same "
                    "for all nodes.",
                    "INITIAL_CONTROLLERS",
                    "I",
                ),
            ],
            exclusive=[(False, ("standalone", "no-initial-controllers", "initial-controllers"))],
        ),
        Parser(
            "version-mapping",
            "Show the levels of all features that belong to a release.",
            [Argument("release-version", f"The release. {RELEASE}", "RELEASE_VERSION", "r")],
        ),
        Parser(
            "feature-dependencies",
            "Show what a level of a feature needs of other features.",
            [
                Argument(
                    "feature",
                    "Feature and level, as in metadata.version=5. May be repeated.",
                    "FEATURE",
                    "f",
                    required=True,
                )
            ],
        ),
        Parser("random-uuid", "Print a random uuid."),
    ],
)


class TerseError(Exception):
    """Ends the command; the text is all that is said."""


class UncaughtError(Exception):
    """Ends the command as an uncaught exception ends Kafka's."""

    def __init__(self, message: str, java_name: str = "java.lang.RuntimeException") -> None:
        super().__init__(message)
        self.java_name = java_name


def main(words: list[str] | None = None) -> int:
    return run(PARSER, words, act)


def act(given: Given) -> int:
    try:
        match given.command:
            case "random-uuid":
                return random_uuid()
            case "version-mapping":
                version_mapping(given.last("release-version"))
            case "feature-dependencies":
                for each in given.all("feature"):
                    feature_dependencies(each)
            case "info":
                return info(load_config(given.last("config") or ""))
            case _:
                format_directories(given, load_config(given.last("config") or ""))
    except TerseError as error:
        print(error, file=sys.stderr)
        return 1
    except UncaughtError as error:
        print(f'Exception in thread "main" {error.java_name}: {error}', file=sys.stderr)
        return 1
    return 0


def random_uuid() -> int:
    from pykafka_core.metadata.uuids import random_uuid, uuid_to_string

    while (text := uuid_to_string(random_uuid())).startswith("-"):
        pass
    print(text)
    return 0


# ---- releases and features ------------------------------------------------------------------------------------------


def unknown_release(text: str, *, unstable: bool) -> TerseError:
    from pykafka_core.metadata.release_versions import supported_releases

    names = ", ".join(supported_releases(unstable=unstable))
    return TerseError(f"Unknown metadata.version '{text}'. Supported metadata.version are: {names}")


def version_mapping(text: str | None) -> None:
    from pykafka_core.metadata.release_versions import DEFAULT_RELEASE, FEATURES, level_of_release

    text = DEFAULT_RELEASE if text is None else text
    level = level_of_release(text)
    if level is None:
        raise unknown_release(text, unstable=True)
    print(f"metadata.version={level} ({text})")
    for feature in FEATURES:
        print(f"{feature.name}={feature.default_level(level)}")


def feature_dependencies(text: str) -> None:
    from pykafka_core.metadata.release_versions import FEATURES, dependencies_of, release_of_level

    name, equals, level_text = text.partition("=")
    if not equals:
        raise TerseError(f"Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')")
    level = short_number(level_text)
    if level is None:
        raise TerseError(f"Invalid version format: {level_text} for feature {name}")
    if name == "metadata.version":
        release = release_of_level(level)
        if release is None:
            raise TerseError(f"Unknown metadata.version {level}")
        print(f"{name}={level} ({release}) has no dependencies.")
        return
    feature = next((each for each in FEATURES if each.name == name), None)
    if feature is None:
        raise TerseError(f"Unknown feature: {name}")
    if not 0 <= level <= feature.level_max:
        raise TerseError(f"Feature level {level} is not supported for feature {name}")
    needed = dependencies_of(name, level)
    print(f"{name}={level} {'requires:' if needed else 'has no dependencies.'}")
    for other, other_level in needed:
        shown = f" ({release_of_level(other_level)})" if other == "metadata.version" else ""
        print(f"    {other}={other_level}{shown}")


def short_number(text: str) -> int | None:
    digits = text[1:] if text[:1] in "+-" else text
    if not (digits.isascii() and digits.isdecimal()) or not -0x8000 <= int(text) < 0x8000:
        return None
    return int(text)


# ---- the configuration ----------------------------------------------------------------------------------------------


def load_config(path: str) -> dict[str, str]:
    from pykafka_core.metadata.properties_file import PropertiesError, parse_properties

    try:
        with open(path, "rb") as file:
            config = parse_properties(file.read())
    except FileNotFoundError as error:
        raise UncaughtError(path, "java.nio.file.NoSuchFileException") from error
    except OSError as error:
        raise UncaughtError(f"{path} ({error.strerror})", "java.io.IOException") from error
    except PropertiesError as error:
        raise UncaughtError(f"{path}: {error}", "java.lang.IllegalArgumentException") from error
    for name in ("process.roles", "node.id"):
        if name not in config:
            raise UncaughtError(
                f'Missing required configuration "{name}" which has no default value.',
                "org.apache.kafka.common.config.ConfigException",
            )
    if not config["node.id"].strip().isdecimal():
        raise UncaughtError(
            f"Invalid value {config['node.id']} for configuration node.id: Not a number of type INT",
            "org.apache.kafka.common.config.ConfigException",
        )
    return config


def words_of(config: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in config.get(name, "").split(",") if word.strip()]


def log_directories(config: Mapping[str, str]) -> list[str]:
    """log.dirs, log.dir where that is not set, and what a broker takes where neither is."""
    named = words_of(config, "log.dirs") or words_of(config, "log.dir")
    if named:
        return named
    from pykafka_core.broker.config import default_log_dir

    return [default_log_dir()]


def metadata_directory(config: Mapping[str, str]) -> str:
    return config.get("metadata.log.dir", "").strip() or log_directories(config)[0]


def all_directories(config: Mapping[str, str]) -> list[str]:
    return sorted({*log_directories(config), metadata_directory(config)})


# ---- info -----------------------------------------------------------------------------------------------------------


def info(config: Mapping[str, str]) -> int:
    from pykafka_core.metadata.properties_file import PropertiesError, parse_properties

    found: list[str] = []
    problems: list[str] = []
    first: dict[str, str] | None = None
    for directory in all_directories(config):
        if not os.path.isdir(directory):
            problems.append(
                f"{directory} is not a directory" if os.path.exists(directory) else f"{directory} does not exist"
            )
            continue
        found.append(directory)
        path = os.path.join(directory, "meta.properties")
        try:
            with open(path, "rb") as file:
                meta = parse_properties(file.read())
            check_meta(meta)
        except FileNotFoundError:
            problems.append(f"{directory} is not formatted.")
            continue
        except OSError as error:
            problems.append(f"Error loading {path}: {error.strerror}")
            continue
        except (PropertiesError, ValueError) as error:
            problems.append(f"Error loading {path}: {error}")
            continue
        if first is None:
            first = meta
        elif first.get("cluster.id") != meta.get("cluster.id"):
            problems.append("Mismatched cluster IDs between storage directories.")
        elif first.get("node.id") != meta.get("node.id"):
            problems.append("Mismatched node IDs between storage directories.")
    if first is not None and first.get("version", "0") == "0":
        problems.append(
            "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted "
            "for legacy mode."
        )
    if found:
        print(f"Found log director{'y' if len(found) == 1 else 'ies'}:")
        print_indented(found)
    if first is not None:
        named = ("broker.id", "cluster.id", "directory.id", "node.id", "version")
        known = {name: value for name, value in sorted({"version": "0", **first}.items()) if name in named}
        print(f"Found metadata: {{{', '.join(f'{name}={value}' for name, value in known.items())}}}\n")
    if not problems:
        return 0
    print(f"Found problem{'' if len(problems) == 1 else 's'}:")
    print_indented(problems)
    return 1


def check_meta(meta: Mapping[str, str]) -> None:
    """Raises ValueError."""
    version = meta.get("version", "0")
    if version not in ("0", "1"):
        raise ValueError(f"Unknown meta.properties version number {version}")
    node_id = meta.get("node.id", meta.get("broker.id", ""))
    if version == "1" and not node_id.isdecimal():
        raise ValueError(f"Error parsing meta.properties: unable to parse node.id {node_id!r}")


def print_indented(lines: list[str]) -> None:
    for line in lines:
        print(f"  {line}")
    print()


# ---- format ---------------------------------------------------------------------------------------------------------


def format_directories(given: Given, config: Mapping[str, str]) -> None:
    from pykafka_core.metadata.errors import FormatError
    from pykafka_core.metadata.formatting import StandInError
    from pykafka_core.metadata.release_versions import UNSTABLE_FROM, level_of_release
    from pykafka_core.tools.java_order import hash_map_order

    release = given.last("release-version")
    if release is not None:
        level = level_of_release(release)
        if level is None or (level >= UNSTABLE_FROM and not is_unstable(config)):
            raise unknown_release(release, unstable=is_unstable(config))
    try:
        plan = make_plan(given, config, release)
        records = plan.decide()
        empty, formatted, unreadable = plan.look()
    except FormatError as error:
        raise TerseError(str(error)) from error
    except StandInError as error:
        raise UncaughtError(str(error), error.java_name) from error
    if formatted and "ignore-formatted" not in given:
        raise TerseError(
            f"Log directory {hash_map_order(formatted)[0]} is already formatted. Use --ignore-formatted to ignore this "
            "directory and format the others."
        )
    for directory in unreadable:
        print(f"I/O error trying to read log directory {directory}. Ignoring...")
    if not empty:
        if unreadable and not formatted:
            raise TerseError("No available log directories to format.")
        print("All of the log directories are already formatted.")
        return
    write_all(plan, empty, records)


def write_all(plan: FormatPlan, empty: list[str], records: list[Record]) -> None:
    from pykafka_core.tools.java_order import hash_map_order

    shown = ", ".join(f"ApiMessageAndVersion({java_text(record)} at version 0)" for record in records)
    print(
        f"Bootstrap metadata: BootstrapMetadata(records=[{shown}], "
        f"metadataVersionLevel={plan.levels['metadata.version']}, source=format command)"
    )
    for directory in hash_map_order(empty):
        print(
            f"Formatting {plan.kind_of(directory)} {directory} with metadata.version {plan.release_shown}.", flush=True
        )
        try:
            plan.format(directory, records)
        except OSError as error:
            raise TerseError(
                f"Error while writing meta.properties file {directory}: {error.strerror or error}"
            ) from error


def is_unstable(config: Mapping[str, str]) -> bool:
    return config.get("unstable.feature.versions.enable", "").strip().lower() == "true"


def make_plan(given: Given, config: Mapping[str, str], release: str | None) -> FormatPlan:
    """Raises FormatError, StandInError, TerseError."""
    from pykafka_core.metadata.errors import FormatError
    from pykafka_core.metadata.formatting import FormatPlan, StandInError, parse_initial_controllers

    has_voters = bool(words_of(config, "controller.quorum.voters"))
    is_controller = "controller" in words_of(config, "process.roles")
    initial: list[InitialController] = []
    if given.last("initial-controllers") is not None or "standalone" in given:
        if has_voters:
            raise FormatError(
                "You cannot specify controller.quorum.voters and format the node with --initial-controllers or "
                "--standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify "
                "controller.quorum.bootstrap.servers instead."
            )
        if "standalone" in given:
            initial = [standalone_controller(config, is_controller)]
        else:
            initial = parse_initial_controllers(given.last("initial-controllers") or "")
            if not initial:
                raise StandInError("Voter set cannot be empty", "java.lang.IllegalArgumentException")
    no_initial = "no-initial-controllers" in given
    if is_controller and not has_voters and not initial and not no_initial:
        raise TerseError(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: "
            "--standalone, --initial-controllers, or --no-initial-controllers."
        )
    listeners = words_of(config, "controller.listener.names")
    if not listeners:
        raise FormatError("You must specify the name of the initial controller listener.")
    return FormatPlan(
        cluster_id=given.last("cluster-id") or "",
        node_id=int(config["node.id"]),
        directories=all_directories(config),
        metadata_directory=metadata_directory(config),
        controller_listener=listeners[0],
        release=release or config.get("inter.broker.protocol.version"),
        features=features_of(given.all("feature")),
        scram=given.all("add-scram"),
        initial_controllers=initial,
        is_dynamic=not has_voters and (bool(initial) or no_initial),
        unstable=is_unstable(config),
    )


def features_of(words: list[str]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UncaughtError(f"Can't parse feature=level string {word}: equals sign not found.")
        level = short_number(text.strip())
        if level is None:
            raise UncaughtError(f"Can't parse feature=level string {word}: unable to parse {text.strip()} as a short.")
        levels[name.strip()] = level
    return levels


def standalone_controller(config: Mapping[str, str], is_controller: bool) -> InitialController:
    from pykafka_core.metadata.formatting import InitialController
    from pykafka_core.metadata.uuids import random_uuid

    if not is_controller:
        raise TerseError("You can only use --standalone on a controller.")
    names = {name.upper() for name in words_of(config, "controller.listener.names")}
    for setting in ("advertised.listeners", "listeners"):
        for word in words_of(config, setting):
            name, _, address = word.partition("://")
            host, _, port = address.rpartition(":")
            if name.upper() in names and port.isdecimal():
                return InitialController(
                    int(config["node.id"]), host.strip("[]") or "localhost", int(port), random_uuid()
                )
    raise UncaughtError("No controller listeners found.")


def java_text(record: Record) -> str:
    """A record as the toString of Kafka's generated classes shows it."""
    parts = []
    for name, kind, *_ in record.FIELDS:
        value = getattr(record, name)
        head, *rest = name.split("_")
        if kind == "string":
            shown = f"'{value}'"
        elif isinstance(value, bytes):
            shown = f"[{', '.join(str(byte - 256 if byte > 127 else byte) for byte in value)}]"
        else:
            shown = str(value)
        parts.append(f"{head + ''.join(map(str.capitalize, rest))}={shown}")
    return f"{type(record).__name__}({', '.join(parts)})"


if __name__ == "__main__":
    sys.exit(main())
