"""Which topic names are legal, and which names belong to the broker.

A name becomes part of a directory's name, so what is let through here can never leave the log directory.
Source: org.apache.kafka.common.internals.Topic.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["INTERNAL_TOPICS", "METADATA_TOPIC", "collision_key", "why_invalid"]

NAME_SIZE_MAX: Final = 249
_LEGAL: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")

INTERNAL_TOPICS: Final = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
METADATA_TOPIC: Final = "__cluster_metadata"


def why_invalid(name: str) -> str | None:
    """Return what is wrong with a topic name, in Kafka's words; None if it is legal."""
    if not name:
        return "Topic name is invalid: the empty string is not allowed"
    if name in (".", ".."):
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > NAME_SIZE_MAX:
        return f"Topic name is invalid: the length of '{name}' is longer than the max allowed length {NAME_SIZE_MAX}"
    if not _LEGAL.issuperset(name):
        return (
            f"Topic name is invalid: '{name}' contains one or more characters "
            "other than ASCII alphanumerics, '.', '_' and '-'"
        )
    return None


def collision_key(name: str) -> str:
    """Names with the same key collide in the names of metrics, where '.' becomes '_'."""
    return name.replace(".", "_")
