"""kafka-configs --describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykafka_core.client.errors import KafkaError, UnsupportedError
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.tools.command import ToolError
from pykafka_core.tools.configs import BROKERS, CLIENTS, GROUPS, LOGGERS, METRICS, RESOURCES, TOPICS, Entities
from pykafka_core.tools.java_order import hash_map_order, quota_order
from pykafka_core.tools.record_formatter import java_number
from pykafka_core.tools.topic_names import name_fault

if TYPE_CHECKING:
    from pykafka_core.client.admin_quotas import QuotaEntity
    from pykafka_core.client.cluster import Client

__all__ = ["describe_quotas_and_credentials", "describe_resources", "find_quotas"]

SOURCES = {
    1: "DYNAMIC_TOPIC_CONFIG",
    2: "DYNAMIC_BROKER_CONFIG",
    3: "DYNAMIC_DEFAULT_BROKER_CONFIG",
    4: "STATIC_BROKER_CONFIG",
    5: "DEFAULT_CONFIG",
    6: "DYNAMIC_BROKER_LOGGER_CONFIG",
    7: "DYNAMIC_CLIENT_METRICS_CONFIG",
    8: "DYNAMIC_GROUP_CONFIG",
}
OWN_SOURCE = {TOPICS: 1, METRICS: 7, GROUPS: 8}
QUOTA_TYPES = {"users": "user", "clients": "client-id", "ips": "ip"}
SHOWN_TYPES = {"user": "user-principal", "client-id": "client-id", "ip": "ip"}


async def describe_resources(client: Client, kind: str, name: str | None, describe_all: bool) -> None:
    """One of them, or all where no name is given. Raises ToolError, KafkaError."""
    if name is not None and not describe_all:
        fault = name_fault(name) if kind == TOPICS else None
        if fault:
            raise ToolError(fault)
        if name not in await names_of(client, kind):
            print(f"The {kind[:-1]} '{name}' doesn't exist and doesn't have dynamic config.")
            return
    for each in [name] if name is not None else await names_of(client, kind):
        if each:
            print(f"{'All' if describe_all else 'Dynamic'} configs for {kind[:-1]} {each} are:")
        else:
            print(f"Default configs for {kind} in the cluster are:")
        for entry in await entries_of(client, kind, each, describe_all):
            synonyms = ", ".join(
                f"{SOURCES.get(synonym.source, 'UNKNOWN')}:{synonym.name}={text(synonym.value)}"
                for synonym in entry.synonyms
            )
            print(
                f"  {entry.name}={text(entry.value)} sensitive={'true' if entry.is_sensitive else 'false'} "
                f"synonyms={{{synonyms}}}"
            )


def text(value: str | None) -> str:
    return "null" if value is None else value


async def names_of(client: Client, kind: str) -> list[str]:
    """Everything of this kind, in the order of Kafka's command; the empty name stands for brokers' defaults."""
    from pykafka_core.client import admin
    from pykafka_core.client.admin_cluster import list_config_resources

    if kind == TOPICS:
        return hash_map_order(topic.name for topic in await admin.list_topics(client))
    if kind in (BROKERS, LOGGERS):
        _, _, brokers = await admin.describe_cluster(client)
        return [*(str(each.broker_id) for each in brokers), ""]
    configured: list[str] = []
    try:
        configured = [name for _, name in await list_config_resources(client, [RESOURCES[kind]])]
    except KafkaError as error:
        # A broker that cannot list what is configured still has the groups themselves.
        if kind != GROUPS or not (
            isinstance(error, UnsupportedError) or error.code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        ):
            raise
    if kind == METRICS:
        return configured
    from pykafka_core.client.groups import list_groups

    found = hash_map_order(each.group_id for each in await list_groups(client))
    return list(dict.fromkeys([*found, *configured]))


async def entries_of(client: Client, kind: str, name: str, describe_all: bool) -> list[Any]:
    from pykafka_core.client.admin import describe_configs

    if kind == TOPICS and (fault := name_fault(name)):
        raise ToolError(fault)
    key = (RESOURCES[kind], name)
    entries = (await describe_configs(client, [key], synonyms=True))[key]
    if not describe_all and kind != LOGGERS:
        source = OWN_SOURCE.get(kind, 2 if name else 3)
        entries = [entry for entry in entries if entry.config_source == source]
    return sorted(entries, key=lambda entry: str(entry.name))


async def find_quotas(client: Client, entities: Entities) -> dict[QuotaEntity, dict[str, float]]:
    """What is stored for exactly these types; types without a name mean all names. Raises ToolError, KafkaError."""
    from pykafka_core.client.admin_quotas import QuotaMatch, describe_client_quotas

    if len(entities.names) > len(entities.types):
        raise ToolError("More entity names specified than entity types")
    components: list[tuple[str, QuotaMatch, str | None]] = []
    for at, kind in enumerate(entities.types):
        name = entities.names[at] if at < len(entities.names) else None
        match = QuotaMatch.ANY if name is None else QuotaMatch.EXACT if name else QuotaMatch.DEFAULT
        components.append((QUOTA_TYPES[kind], match, name or None))
    return await describe_client_quotas(client, components, strict=True)


async def describe_quotas_and_credentials(client: Client, entities: Entities) -> None:
    """Raises ToolError, KafkaError."""
    quotas = await find_quotas(client, entities)
    for entity in quota_order(quotas):
        named = dict(entity)
        shown = [
            f"the default {title}" if named[kind] is None else f"{title} '{named[kind]}'"
            for kind, title in SHOWN_TYPES.items()
            if kind in named
        ]
        values = quotas[entity]
        pairs = [f"{key}={java_number(values[key], repr(values[key]))}" for key in hash_map_order(values, len(values))]
        print(f"Quota configs for {', '.join(shown)} are {', '.join(pairs)}")
    if CLIENTS in entities.types or "ips" in entities.types or "" in entities.names:
        return
    from pykafka_core.client.admin_quotas import describe_user_scram_credentials

    found = await describe_user_scram_credentials(client, entities.names or None)
    for user, outcome in found.items():
        if isinstance(outcome, KafkaError):
            if outcome.code != ErrorCode.RESOURCE_NOT_FOUND:
                simple = outcome.java_name.rsplit(".", 1)[-1]
                print(f"Error retrieving SCRAM credential configs for user-principal '{user}': {simple}: {outcome}")
            continue
        credentials = ", ".join(f"{mechanism.text}=iterations={iterations}" for mechanism, iterations in outcome)
        print(f"SCRAM credential configs for user-principal '{user}' are {credentials}")
