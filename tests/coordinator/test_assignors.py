"""The assignors give what Apache Kafka's give, and what every assignor has to give.

Method: random groups whose outcome Apache Kafka 4.3.1 has computed (golden/assignors.txt), and properties of random
ones.
"""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.coordinator.assignor import ASSIGNORS, Assignment, GroupSpec, MemberSpec, find_assignor
from pykafka_core.coordinator.java_order import in_map_order

GOLDEN = [
    line
    for line in (Path(__file__).parent / "golden" / "assignors.txt").read_text().splitlines()
    if not line.startswith("#")
]
CASES = list(zip(GOLDEN[::2], GOLDEN[1::2], strict=True))
TOPICS = [bytes([n]) * 16 for n in range(1, 6)]


def uuid(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def in_words(assignments: dict[str, Assignment]) -> str:
    """As Kafka's program prints it: members, topics and partitions in order."""
    members = []
    for member_id, assignment in sorted(assignments.items()):
        topics = sorted(
            (base64.urlsafe_b64encode(topic).decode().rstrip("="), sorted(mine)) for topic, mine in assignment.items()
        )
        members.append(f"{member_id}={{{', '.join(f'{topic}={mine}' for topic, mine in topics)}}}")
    return "{" + ", ".join(members) + "}"


@pytest.mark.parametrize(("given_group", "expected"), CASES, ids=range(len(CASES)))
def test_as_in_apache_kafka(given_group: str, expected: str) -> None:
    name, subscriptions, topics, *rows = given_group.split("|")
    counts = {uuid(each.partition("=")[0]): int(each.partition("=")[2]) for each in topics.split(",")}
    members = {}
    for row in rows:
        member_id, instance_id, subscribed, assigned = row.split(";")
        before = {}
        for each in filter(None, assigned.split(",")):
            topic, *partitions = each.split(":")
            before[uuid(topic)] = frozenset(map(int, partitions))
        ids = frozenset(uuid(each) for each in subscribed.split(",") if each)
        members[member_id] = MemberSpec(instance_id or None, ids, before)
    in_order = {member_id: members[member_id] for member_id in in_map_order(list(members))}
    group = GroupSpec(in_order, counts, subscriptions == "HOMOGENEOUS")
    assert in_words(find_assignor(name)(group)) == expected


@st.composite
def groups(draw: st.DrawFn) -> GroupSpec:
    counts = {topic: draw(st.integers(1, 9)) for topic in TOPICS}
    names = draw(st.lists(st.sampled_from([f"m{n}" for n in range(8)]), min_size=1, unique=True))
    same = draw(st.booleans())
    common = draw(st.frozensets(st.sampled_from(TOPICS), min_size=1))
    subscriptions = {name: common if same else draw(st.frozensets(st.sampled_from(TOPICS))) for name in names}
    before: dict[str, dict[bytes, set[int]]] = {name: {} for name in names}
    for topic in TOPICS:
        for partition in range(counts[topic]):
            owner = draw(st.sampled_from([None, *names]))
            if owner is not None:
                before[owner].setdefault(topic, set()).add(partition)
    members = {
        name: MemberSpec(None, subscriptions[name], {topic: frozenset(mine) for topic, mine in before[name].items()})
        for name in names
    }
    return GroupSpec(members, counts, len(set(subscriptions.values())) == 1)


@given(groups(), st.sampled_from(ASSIGNORS))
def test_each_partition_goes_to_one_member_that_subscribes(group: GroupSpec, name: str) -> None:
    assignments = find_assignor(name)(group)
    given_out = Counter(
        (topic, partition)
        for assignment in assignments.values()
        for topic, partitions in assignment.items()
        for partition in partitions
    )
    wanted = {topic for member in group.members.values() for topic in member.topics}
    assert given_out == Counter(
        (topic, partition) for topic in wanted for partition in range(group.partition_counts[topic])
    )
    for member_id, assignment in assignments.items():
        assert assignment.keys() <= group.members[member_id].topics
        assert all(assignment.values())


@given(groups())
def test_uniform_is_even_where_all_subscribe_to_the_same(group: GroupSpec) -> None:
    if group.is_homogeneous:
        sizes = [sum(map(len, each.values())) for each in find_assignor("uniform")(group).values()]
        assert not sizes or max(sizes) - min(sizes) <= 1


@given(groups())
def test_uniform_moves_nothing_where_nothing_has_changed(group: GroupSpec) -> None:
    if not group.is_homogeneous:
        return
    once = find_assignor("uniform")(group)
    again = group._replace(
        members={name: member._replace(assignment=once.get(name, {})) for name, member in group.members.items()}
    )
    assert find_assignor("uniform")(again) == once
