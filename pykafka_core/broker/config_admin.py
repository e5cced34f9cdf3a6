"""Dynamic configs as administrators change them: of topics, brokers, groups, client metrics and loggers.

A change is checked against what the resource would then have, made durable in the metadata, and put into effect:
topics get a new entry in the reactors' table, logs their new settings; whatever else there is asks for its settings
when it uses them. Levels of loggers alone are not kept: they hold until the broker stops.

Thread: asyncio. One change at a time: `lock` is shared with whoever else changes topics.
Source: org.apache.kafka.controller.ConfigurationControlManager, kafka.server.DynamicBrokerConfig.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.client_metrics_configs import alter_client_metrics_configs
from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.config_dynamic import alter_broker_configs
from pykafka_core.broker.configs import ALL_BROKERS
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.group_configs import alter_group_configs
from pykafka_core.broker.log_levels import alter_log_levels
from pykafka_core.broker.topic_configs import (
    AlterOperation,
    ConfigConflictError,
    ConfigRequestError,
    alter_topic_configs,
)
from pykafka_core.broker.topic_names import why_invalid
from pykafka_core.metadata.changes import alter_configs
from pykafka_core.metadata.image import ConfigResourceType
from pykafka_core.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.metadata.store import MetadataStore

__all__ = ["ConfigAdmin", "Operation"]

Operation = tuple[str, int, str | None]
"""Name, AlterOperation, value."""


class ConfigAdmin:
    def __init__(
        self,
        *,
        store: MetadataStore,
        configs: Configs,
        node_id: int,
        lock: asyncio.Lock,
        apply: Callable[[Iterable[str] | None], None],
    ) -> None:
        self._store: Final = store
        self._configs: Final = configs
        self._node_id: Final = node_id
        self._lock: Final = lock
        self._apply: Final = apply
        """Puts the configs of these topics, or of all, into effect."""

    async def alter(
        self, resource_type: int, name: str, operations: Sequence[Operation], *, validate_only: bool
    ) -> None:
        """Carry out operations on one resource, all or none. Raises RequestError."""
        async with self._lock:
            await self._commit(resource_type, name, operations, validate_only)

    async def replace(
        self, resource_type: int, name: str, wanted: Sequence[tuple[str, str | None]], *, validate_only: bool
    ) -> None:
        """Give one resource exactly these configs. Raises RequestError."""
        async with self._lock:
            names = {key for key, _ in wanted}
            current = self._store.image.config(resource_type, name)
            operations: list[Operation] = [(key, AlterOperation.SET, value) for key, value in wanted]
            operations += [(key, AlterOperation.DELETE, None) for key in current if key not in names]
            await self._commit(resource_type, name, operations, validate_only)

    async def _commit(
        self, resource_type: int, name: str, operations: Sequence[Operation], validate_only: bool
    ) -> None:
        changes = self._changes(resource_type, name, operations)
        if validate_only or not changes:
            return
        await commit_or_refuse(self._store, alter_configs(resource_type, name, changes))
        if resource_type == ConfigResourceType.TOPIC:
            self._apply([name])
        elif resource_type == ConfigResourceType.BROKER:
            self._apply(None)

    def _changes(self, resource_type: int, name: str, operations: Sequence[Operation]) -> Mapping[str, str | None]:
        current = self._store.image.config(resource_type, name)
        values = self._configs.broker_values()
        try:
            match resource_type:
                case ConfigResourceType.TOPIC:
                    self._check_topic(name)
                    return alter_topic_configs(current, operations, values)
                case ConfigResourceType.BROKER:
                    self._check_broker(name)
                    self._check_min_insync(name, operations)
                    for_all = name == ALL_BROKERS
                    return alter_broker_configs(
                        current,
                        operations,
                        values,
                        for_all=for_all,
                        values_with=lambda changes: self._configs.broker_values_with(changes, for_all=for_all),
                    )
                case ConfigResourceType.GROUP:
                    if not name:
                        raise ConfigRequestError("Default group resources are not allowed.")
                    return alter_group_configs(current, operations, values)
                case ConfigResourceType.CLIENT_METRICS:
                    if not name:
                        raise ConfigRequestError("Subscription name can't be empty")
                    return alter_client_metrics_configs(current, operations)
        except ConfigRequestError as error:
            raise RequestError(ErrorCode.INVALID_REQUEST, str(error)) from error
        except ValueError as error:
            raise RequestError(ErrorCode.INVALID_CONFIG, str(error)) from error
        raise RequestError(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource_type}")

    def alter_log_levels(self, name: str, operations: Sequence[Operation], *, validate_only: bool) -> None:
        """Set the levels of this broker's loggers, all or none. Raises RequestError."""
        if not name.removeprefix("-").isdecimal():
            raise RequestError(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {name}")
        if int(name) != self._node_id:
            raise RequestError(
                ErrorCode.INVALID_REQUEST, f"Unexpected node id. Expected {self._node_id}, but received {name}"
            )
        try:
            alter_log_levels(operations, validate_only=validate_only)
        except ConfigRequestError as error:
            raise RequestError(ErrorCode.INVALID_REQUEST, str(error)) from error
        except ConfigConflictError as error:
            raise RequestError(ErrorCode.INVALID_CONFIG, str(error)) from error

    def _check_min_insync(self, name: str, operations: Sequence[Operation]) -> None:
        """Eligible leader replicas (KIP-966), which Apache Kafka may have switched on, rest on one value for all."""
        if not self._store.image.features.get("eligible.leader.replicas.version"):
            return
        for key, operation, _ in operations:
            if key == "min.insync.replicas" and name != ALL_BROKERS:
                raise ConfigConflictError("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
            if key == "min.insync.replicas" and operation == AlterOperation.DELETE:
                raise ConfigConflictError("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")

    def _check_topic(self, name: str) -> None:
        invalid = why_invalid(name)
        if invalid is not None:
            raise RequestError(ErrorCode.INVALID_TOPIC_EXCEPTION, invalid)
        if name not in self._store.image.topics:
            raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")

    def _check_broker(self, name: str) -> None:
        if name == ALL_BROKERS:
            return
        if not name.removeprefix("-").isdecimal():
            raise RequestError(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}")
        if int(name) != self._node_id:
            raise RequestError(
                ErrorCode.INVALID_REQUEST,
                f"Unexpected broker id, expected {self._node_id} or empty string, but received {name}",
            )
