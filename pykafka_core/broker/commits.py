"""Commits that answer a request: a change that could not be made durable is refused with Kafka's code for a bad disk.

Thread: asyncio.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from pykafka_core.metadata.store import MetadataStore
    from pykafka_core.protocol.message import Record

__all__ = ["commit_or_refuse"]


async def commit_or_refuse(store: MetadataStore, records: Sequence[Record]) -> None:
    """Make records part of the metadata, durably. Raises RequestError."""
    try:
        await store.commit(records)
    except MetadataError as error:
        raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR, f"The metadata could not be written: {error}") from error
