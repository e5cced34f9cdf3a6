"""DescribeConfigs (32), versions 1-4: every config of topics, of this broker and its loggers, of groups and of client
metrics, with where its value comes from.

- An empty or null list of keys means all of them: clients read, modify and write back, so nothing may be missing.
  Keys that do not exist are left out.
- A broker is named by its id; only this one can be answered for. The empty name is the dynamic configs of all brokers.
- Synonyms, strongest first, where asked; documentation and type from version 3 on. Sensitive values are null.
- A group or client metrics subscription need not exist: its defaults are shown.

Source: KIP-133, KIP-226, KIP-412, KIP-569, KIP-848, KIP-1000; kafka.server.ConfigHelper.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.config_describe import describe_loggers
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.topic_names import why_invalid
from pykafka_core.metadata.image import ConfigResourceType
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_configs_request import DescribeConfigsRequest, DescribeConfigsResource
from pykafka_core.protocol.messages.describe_configs_response import (
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.broker.config_describe import ConfigEntry
    from pykafka_core.broker.configs import Configs
    from pykafka_core.metadata.store import MetadataStore

MALFORMED: Final = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details."
)
"""What Apache Kafka says of a resource type that it does not know."""


@serves(ApiKey.DESCRIBE_CONFIGS, 1, 4)
def describe_configs(
    request: DescribeConfigsRequest,
    context: RequestContext,
    *,
    configs: Configs,
    store: MetadataStore,
    cluster: Cluster,
) -> DescribeConfigsResponse:
    results = []
    for resource in request.resources:
        result = DescribeConfigsResult(
            error_message="", resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        results.append(result)
        try:
            entries = entries_of(resource, configs, store, cluster)
        except RequestError as error:
            result.error_code, result.error_message = error.code, str(error)
            continue
        wanted = set(resource.configuration_keys or ())
        result.configs = [show(entry, request) for entry in entries if not wanted or entry.name in wanted]
    return DescribeConfigsResponse(results=results)


def entries_of(
    resource: DescribeConfigsResource, configs: Configs, store: MetadataStore, cluster: Cluster
) -> Iterable[ConfigEntry]:
    name = resource.resource_name
    match resource.resource_type:
        case ConfigResourceType.TOPIC:
            invalid = why_invalid(name)
            if invalid is not None:
                raise RequestError(ErrorCode.INVALID_TOPIC_EXCEPTION, invalid)
            if name not in store.image.topics:
                raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
            return configs.topic_entries(store.image.topic_config(name))
        case ConfigResourceType.BROKER:
            if name == "":
                return configs.all_brokers_entries()
            check_broker_id(name, cluster.node_id, " or empty string, but")
            return configs.broker_entries()
        case ConfigResourceType.BROKER_LOGGER:
            if name == "":
                raise RequestError(ErrorCode.INVALID_REQUEST, "Broker id must not be empty")
            check_broker_id(name, cluster.node_id, " but")
            return describe_loggers()
        case ConfigResourceType.CLIENT_METRICS:
            if name == "":
                raise RequestError(ErrorCode.INVALID_REQUEST, "Client metrics subscription name must not be empty")
            return configs.client_metrics_entries(name)
        case ConfigResourceType.GROUP:
            if name == "":
                raise RequestError(ErrorCode.INVALID_REQUEST, "Group name must not be empty")
            return configs.group_entries(name)
        case _:
            raise RequestError(ErrorCode.INVALID_REQUEST, MALFORMED)


def check_broker_id(name: str, node_id: int, instead: str) -> None:
    if not name.removeprefix("-").isdecimal():
        raise RequestError(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}")
    if int(name) != node_id:
        raise RequestError(
            ErrorCode.INVALID_REQUEST, f"Unexpected broker id, expected {node_id}{instead} received {name}"
        )


def show(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.read_only,
        config_source=entry.source,
        is_sensitive=entry.sensitive,
        synonyms=[
            DescribeConfigsSynonym(name=item.name, value=item.value, source=item.source) for item in entry.synonyms
        ]
        if request.include_synonyms
        else [],
        config_type=entry.type,
        documentation=entry.documentation if request.include_documentation else None,
    )
