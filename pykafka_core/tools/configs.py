"""kafka-configs: describe and alter what can be configured while a cluster runs: topics, brokers and their loggers,
groups, client metrics, and the quotas and credentials of users, clients and addresses.

Source of words and statuses: kafka.admin.ConfigCommand.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from pykafka_core._dataclass import dataclass
from pykafka_core.tools.command import (
    COMMAND_CONFIG,
    Command,
    Option,
    ToolError,
    UsageError,
    WrongUseError,
    load_properties,
    load_settings,
    run_with_client,
)

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.tools.options import Options

TOPICS, CLIENTS, USERS, BROKERS = "topics", "clients", "users", "brokers"
LOGGERS, IPS, METRICS, GROUPS = "broker-loggers", "ips", "client-metrics", "groups"
TYPES = (TOPICS, CLIENTS, USERS, BROKERS, IPS, METRICS, GROUPS, LOGGERS)
NAMES = {
    "topic": TOPICS,
    "client": CLIENTS,
    "user": USERS,
    "broker": BROKERS,
    "broker-logger": LOGGERS,
    "ip": IPS,
    "client-metrics": METRICS,
    "group": GROUPS,
}
DEFAULTS = {"client-defaults": CLIENTS, "user-defaults": USERS, "broker-defaults": BROKERS, "ip-defaults": IPS}
WITH_DEFAULTS = (USERS, CLIENTS, BROKERS, IPS)
RESOURCES = {TOPICS: 2, BROKERS: 4, LOGGERS: 8, METRICS: 16, GROUPS: 32}
# What stands before a bracket that closes belongs to a list of values.
OUTSIDE = r"(?=[^\]]*(?:\[|$))"

COMMAND = Command(
    "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or "
    "group",
    [
        Option(
            "add-config",
            "Settings to add, as k1=v1,k2=[v1,v2,v2],k3=v3. For users and clients: producer_byte_rate, "
            "consumer_byte_rate, request_percentage, controller_mutation_rate; for users SCRAM-SHA-256 and "
            "SCRAM-SHA-512 too, set to [iterations=8192,password=x]; for ips connection_creation_rate.",
            "String",
        ),
        Option("add-config-file", "A properties file with settings to add.", "String"),
        Option("all", "Describe all settings, static ones and defaults too."),
        Option("alter", "Change the settings of the entity."),
        Option("bootstrap-controller", "The controllers to connect to.", "String: controller to connect to"),
        Option("bootstrap-server", "The servers to connect to.", "String: server to connect to"),
        Option("broker", "The broker's id.", "String"),
        Option("broker-defaults", "The defaults of all brokers."),
        Option("broker-logger", "The broker's id, for its loggers.", "String"),
        Option("client", "The client's id.", "String"),
        Option("client-defaults", "The defaults of all clients."),
        Option("client-metrics", "The name of the client metrics.", "String"),
        COMMAND_CONFIG,
        Option("delete-config", "Settings to take away, as k1,k2.", "String"),
        Option("describe", "Show the settings of the entity."),
        Option("entity-default", "The default of the entity type, in the place of a name."),
        Option("entity-name", "The name of the entity.", "String"),
        Option("entity-type", f"The type of the entity: {', '.join(TYPES)}.", "String"),
        Option("group", "The group's id.", "String"),
        Option("ip", "The address.", "String"),
        Option("ip-defaults", "The defaults of all addresses."),
        Option("topic", "The topic's name.", "String"),
        Option("user", "The user's principal name.", "String"),
        Option("user-defaults", "The defaults of all users."),
    ],
)


@dataclass(slots=True, frozen=True, kw_only=True)
class Entities:
    """What the command is about: types, and names in the same order, the empty one standing for the default."""

    types: list[str]
    names: list[str]


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        check_action(options)
        entities = read_entities(options)
        check_options(options, entities)
    except WrongUseError as wrong:
        return COMMAND.refuse(wrong)
    except (UsageError, ToolError) as error:
        print(error, file=sys.stderr)
        return 1
    from pykafka_core.client.errors import KafkaError, UnsupportedError
    from pykafka_core.tools.java_errors import EXECUTION, JavaError, thrown

    servers = options.last("bootstrap-server") or options.last("bootstrap-controller") or ""
    try:
        settings = load_settings(options.last("command-config"))
        if "alter" in options and len(entities.types) != len(entities.names):
            raise ToolError("An entity name must be specified for every entity type")
        run_with_client(servers, settings, lambda client: act(client, options, entities))
    except UnsupportedError as error:
        print(error, file=sys.stderr)
        return 1
    except KafkaError as error:
        return failed(words, thrown(error).within(EXECUTION))
    except JavaError as error:
        return failed(words, error)
    except ToolError as error:
        # What is wrong with the command line is said alone.
        if error.java_name != "java.lang.IllegalArgumentException":
            return failed(words, thrown(error))
        print(error, file=sys.stderr)
        return 1
    return 0


def failed(words: list[str], error: Exception) -> int:
    from pykafka_core.tools.java_errors import thrown

    sys.stdout.flush()
    print(f"Error while executing config command with args '{' '.join(words)}'", file=sys.stderr)
    thrown(error).print_causes()
    return 1


def check_action(options: Options) -> None:
    """Raises WrongUseError."""
    if ("alter" in options) == ("describe" in options):
        raise WrongUseError("Command must include exactly one action: --describe, --alter")
    for other in ("add-config", "delete-config"):
        if "describe" in options and other in options:
            raise WrongUseError(f'Option "[describe]" can\'t be used with option "[{other}]"')


def read_entities(options: Options) -> Entities:
    named = iter(options.all("entity-name"))
    places = [name for name in options.order if name in ("entity-name", "entity-default")]
    names = [next(named) if name == "entity-name" else "" for name in places]
    types = list(options.all("entity-type"))
    for option, kind in NAMES.items():
        if option in options:
            types.append(kind)
            names.append(options.last(option) or "")
    for option, kind in DEFAULTS.items():
        if option in options:
            types.append(kind)
            names.append("")
    return Entities(types=types, names=names)


def check_options(options: Options, entities: Entities) -> None:
    """Raises ToolError."""
    types, names = entities.types, entities.names
    twice = [kind for at, kind in enumerate(types) if kind in types[:at]]
    if twice:
        raise ToolError(f"Duplicate entity type(s) specified: {','.join(twice)}")
    if "bootstrap-server" not in options and "bootstrap-controller" not in options:
        raise ToolError("Either --bootstrap-server or --bootstrap-controller must be specified.")
    for kind in types:
        if kind not in TYPES:
            raise ToolError(
                f"Invalid entity type {kind}, the entity type must be one of {', '.join(TYPES)} with a "
                "--bootstrap-server or --bootstrap-controller argument"
            )
    if not types:
        raise ToolError("At least one entity type must be specified")
    if len(types) > 1 and set(types) != {USERS, CLIENTS}:
        raise ToolError(f"Only '{USERS}' and '{CLIENTS}' entity types may be specified together")
    general = any(name in options for name in ("entity-name", "entity-type", "entity-default"))
    if general and any(name in options for name in (*NAMES, *DEFAULTS)):
        raise ToolError("--entity-{type,name,default} should not be used in conjunction with specific entity flags")
    if "bootstrap-server" in options and "bootstrap-controller" in options:
        raise ToolError("Only one of --bootstrap-server or --bootstrap-controller can be specified")
    check_names(types, names)
    has_name, shown = any(names), ",".join(types)
    if "describe" in options:
        if not any(kind in WITH_DEFAULTS for kind in types) and "entity-default" in options:
            raise ToolError(f"--entity-default must not be specified with --describe of {shown}")
        if LOGGERS in types and not has_name:
            raise ToolError(f"An entity name must be specified with --describe of {shown}")
        return
    if any(kind in WITH_DEFAULTS for kind in types):
        if not names:
            raise ToolError(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips"
            )
    elif not has_name:
        raise ToolError(f"An entity name must be specified with --alter of {shown}")
    if "add-config" in options and "add-config-file" in options:
        raise ToolError("Only one of --add-config or --add-config-file must be specified")
    if not any(name in options for name in ("add-config", "add-config-file", "delete-config")):
        raise ToolError(
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter"
        )


def check_names(types: list[str], names: list[str]) -> None:
    """Raises ToolError."""
    for name in filter(None, names):
        if types[0] in (BROKERS, LOGGERS) and not re.fullmatch(r"[+-]?\d+", name):
            raise ToolError(f"The entity name for {types[0]} must be a valid integer broker id, but it is: {name}")
        if IPS in types:
            import socket

            try:
                socket.getaddrinfo(name, None)
            except OSError:
                raise ToolError(
                    f"The entity name for {types[0]} must be a valid IP or resolvable host, but it is: {name}"
                ) from None


def added(options: Options) -> dict[str, str]:
    """Raises ToolError."""
    configs = load_properties(options.last("add-config-file"))
    text = options.last("add-config")
    if text is not None:
        parts = re.split("," + OUTSIDE, text)
        while parts and not parts[-1]:
            parts.pop()
        for part in parts:
            pair = re.split(r"\s*=\s*" + OUTSIDE, part)
            if len(pair) != 2:
                raise ToolError(
                    "requirement failed: Invalid entity config: all configs to be added must be in the format "
                    '"key=val" or  "key=[val1,val2]" to group values which contain commas.'
                )
            configs[pair[0].strip()] = pair[1].replace("[", "").replace("]", "").strip()
    for name in configs:
        if not re.fullmatch(r"[$a-zA-Z0-9._-]*", name):
            raise ToolError(f"Invalid character found for config key: {name}")
    return configs


def deleted(options: Options) -> list[str]:
    return [name.strip() for text in options.all("delete-config") for name in text.split(",")]


async def act(client: Client, options: Options, entities: Entities) -> None:
    """Raises ToolError, JavaError, KafkaError."""
    kind = entities.types[0]
    if "describe" in options:
        from pykafka_core.tools import configs_describe as shows

        if kind in RESOURCES:
            name = entities.names[0] if entities.names else None
            await shows.describe_resources(client, kind, name, "all" in options)
        else:
            await shows.describe_quotas_and_credentials(client, entities)
        return
    to_add, to_delete = added(options), deleted(options)
    if kind in RESOURCES:
        await alter_resource(client, kind, entities.names[0], to_add, to_delete)
    else:
        from pykafka_core.tools.configs_quotas import alter_quotas_or_credentials

        await alter_quotas_or_credentials(client, entities, to_add, to_delete)
    if entities.names[0]:
        print(f"Completed updating config for {kind[:-1]} {entities.names[0]}.")
    else:
        print(f"Completed updating default config for {kind} in the cluster.")


async def alter_resource(client: Client, kind: str, name: str, to_add: dict[str, str], to_delete: list[str]) -> None:
    from pykafka_core.client.admin import DELETE, SET, describe_configs, incremental_alter_configs

    key = (RESOURCES[kind], name)
    if kind == LOGGERS:
        known = {each.name for each in (await describe_configs(client, [key]))[key]}
        unknown = [each for each in (*to_delete, *to_add) if each not in known]
        if unknown:
            raise ToolError(f"Invalid broker logger(s): {','.join(unknown)}")
    changes: list[tuple[str, int, str | None]] = [(each, DELETE, "") for each in to_delete]
    changes += [(each, SET, value) for each, value in to_add.items()]
    await incremental_alter_configs(client, {key: changes})


if __name__ == "__main__":
    sys.exit(main())
