"""A group's member of the protocol that `group.protocol` names."""

from __future__ import annotations

from collections.abc import Sequence

from pykafka_core.client.cluster import Client
from pykafka_core.client.group import GroupMember, GroupSettings

__all__ = ["make_member"]


def make_member(client: Client, group_id: str, topics: Sequence[str], settings: GroupSettings) -> GroupMember:
    """`client` should be the member's own."""
    if settings.is_classic:
        return GroupMember(client, group_id, topics, settings)
    from pykafka_core.client.consumer_member import ConsumerMember

    return ConsumerMember(client, group_id, topics, settings)
