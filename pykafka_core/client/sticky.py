"""How the leader of a classic group shares partitions out so that members keep what they have: Kafka's sticky assignor.

    share({"a": Claim(topics=["t"], owned=[("t", 0)], generation=3), ...}, {"t": 4})   member -> its partitions

1. Every partition of an existing topic that somebody subscribes to has exactly one owner, a subscriber of its topic.
2. Balance: no member has two partitions more than another that could take one of them.
3. A member keeps what it has, as far as the balance lets it.

A claim counts only if it is of the newest generation that anybody knows and nobody else claims the same in it: whoever
missed a rebalance has lost what it had, and two who claim one partition cannot both be right.

Source: org.apache.kafka.clients.consumer.{StickyAssignor,CooperativeStickyAssignor}, KIP-54, KIP-429.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Claim", "hold_back", "share"]

TopicPartition = tuple[str, int]


class Claim(NamedTuple):
    """What a member wants to read, and what it had when it joined."""

    topics: Collection[str]
    owned: Sequence[TopicPartition] = ()
    generation: int = -1


def share(claims: Mapping[str, Claim], partition_counts: Mapping[str, int]) -> dict[str, list[TopicPartition]]:
    """A topic that is in no `partition_counts` does not exist."""
    shares = valid_claims(claims, partition_counts)
    wanted = sorted({topic for claim in claims.values() for topic in claim.topics} & set(partition_counts))
    taken = {place for own in shares.values() for place in own}
    free = [(topic, index) for topic in wanted for index in range(partition_counts[topic])]
    free = [place for place in free if place not in taken]
    if len({frozenset(claim.topics) for claim in claims.values()}) <= 1:
        give_evenly(shares, free)
    else:
        give_by_topic(shares, free, claims)
    return {member: sorted(own) for member, own in shares.items()}


def hold_back(
    shares: Mapping[str, Sequence[TopicPartition]], claims: Mapping[str, Claim]
) -> dict[str, list[TopicPartition]]:
    """The shares without what another member still has: it is given out in the next round, once that one has given it
    up (KIP-429). Any claim counts here, as a member that is behind may be reading still."""
    claimed: dict[TopicPartition, set[str]] = {}
    for member, claim in claims.items():
        for place in claim.owned:
            claimed.setdefault(place, set()).add(member)
    nobody: set[str] = set()
    return {
        member: [
            place for place in own if member in claimed.get(place, nobody) or not claimed.get(place, nobody) - {member}
        ]
        for member, own in shares.items()
    }


def valid_claims(claims: Mapping[str, Claim], partition_counts: Mapping[str, int]) -> dict[str, list[TopicPartition]]:
    newest = max((claim.generation for claim in claims.values()), default=-1)
    found: dict[str, list[TopicPartition]] = {member: [] for member in sorted(claims)}
    for member, own in found.items():
        claim = claims[member]
        if claim.generation == newest:
            own += [
                (topic, index)
                for topic, index in dict.fromkeys(claim.owned)
                if topic in claim.topics and index < partition_counts.get(topic, 0)
            ]
    times = Counter(place for own in found.values() for place in own)
    return {member: [place for place in own if times[place] == 1] for member, own in found.items()}


def give_evenly(shares: dict[str, list[TopicPartition]], free: list[TopicPartition]) -> None:
    """Where all want the same, each gets as many as the others, or one more. Those who have most keep that one more."""
    if not shares:
        return
    total = len(free) + sum(map(len, shares.values()))
    low, more = divmod(total, len(shares))
    order = sorted(shares, key=lambda member: -len(shares[member]))
    quotas = {member: low + (number < more) for number, member in enumerate(order)}
    for member, quota in quotas.items():
        own = sorted(shares[member])
        free += own[quota:]
        shares[member] = own[:quota]
    # Round the members, so that those who have nothing do not get all of one topic.
    free = sorted(free, reverse=True)
    hungry = [member for member in shares if len(shares[member]) < quotas[member]]
    while free:
        for member in hungry:
            shares[member].append(free.pop())
        hungry = [member for member in hungry if len(shares[member]) < quotas[member]]


def give_by_topic(
    shares: dict[str, list[TopicPartition]], free: list[TopicPartition], claims: Mapping[str, Claim]
) -> None:
    """Where not all want the same: first what is free, scarce topics first; then from those who have more."""
    takers: dict[str, list[str]] = {}
    for member in shares:
        for topic in claims[member].topics:
            takers.setdefault(topic, []).append(member)
    for place in sorted(free, key=lambda each: (len(takers[each[0]]), each)):
        shares[least(shares, takers[place[0]])].append(place)
    # Each move makes the sum of the squares of the sizes smaller, so this comes to an end.
    moved = True
    while moved:
        moved = False
        for giver in sorted(shares, key=lambda member: -len(shares[member])):
            for place in sorted(shares[giver]):
                taker = least(shares, takers[place[0]])
                if len(shares[giver]) > len(shares[taker]) + 1:
                    shares[giver].remove(place)
                    shares[taker].append(place)
                    moved = True


def least(shares: Mapping[str, Sequence[TopicPartition]], members: Sequence[str]) -> str:
    return min(members, key=lambda member: (len(shares[member]), member))
