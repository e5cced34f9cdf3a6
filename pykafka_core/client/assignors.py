"""How the leader of a classic group shares partitions out: Kafka's range, round robin and the two sticky assignors.

    assign("range", {member: ["topic"]}, {"topic": 3})    member -> its partitions
    assign_by_claims("sticky", {member: Claim(...)}, {"topic": 3})    the same, of any assignor

Members are taken in the order of their names; a caller names a static member by its instance id, which comes first.

Source: org.apache.kafka.clients.consumer.{RangeAssignor,RoundRobinAssignor}.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pykafka_core.client.sticky import Claim, hold_back, share

__all__ = ["ASSIGNORS", "COOPERATIVE_STICKY", "STICKY", "assign", "assign_by_claims"]

TopicPartition = tuple[str, int]

STICKY, COOPERATIVE_STICKY = "sticky", "cooperative-sticky"

ASSIGNORS = {
    "org.apache.kafka.clients.consumer.RangeAssignor": "range",
    "org.apache.kafka.clients.consumer.RoundRobinAssignor": "roundrobin",
    "org.apache.kafka.clients.consumer.StickyAssignor": STICKY,
    "org.apache.kafka.clients.consumer.CooperativeStickyAssignor": COOPERATIVE_STICKY,
}
"""The names of Kafka's classes, and the names of their protocols."""


def assign_by_claims(
    protocol: str, claims: Mapping[str, Claim], partition_counts: Mapping[str, int]
) -> dict[str, list[TopicPartition]]:
    if protocol == STICKY:
        return share(claims, partition_counts)
    if protocol == COOPERATIVE_STICKY:
        return hold_back(share(claims, partition_counts), claims)
    return assign(protocol, {member: claim.topics for member, claim in claims.items()}, partition_counts)


def assign(
    protocol: str, subscriptions: Mapping[str, Collection[str]], partition_counts: Mapping[str, int]
) -> dict[str, list[TopicPartition]]:
    """`subscriptions`: the topics of each member; a topic that is in no `partition_counts` does not exist."""
    topics = sorted({topic for each in subscriptions.values() for topic in each} & set(partition_counts))
    shares: dict[str, list[TopicPartition]] = {member: [] for member in sorted(subscriptions)}
    if protocol == "range":
        for topic in topics:
            members = [member for member in shares if topic in subscriptions[member]]
            each, more = divmod(partition_counts[topic], len(members))
            start = 0
            for number, member in enumerate(members):
                end = start + each + (number < more)
                shares[member] += [(topic, index) for index in range(start, end)]
                start = end
        return shares
    order = list(shares)
    turn = 0
    for topic in topics:
        for index in range(partition_counts[topic]):
            while topic not in subscriptions[order[turn % len(order)]]:
                turn += 1
            shares[order[turn % len(order)]].append((topic, index))
            turn += 1
    return shares
