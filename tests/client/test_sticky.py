"""The sticky assignors: who gets what, and that members keep what they have.

Method: hypothesis draws groups that change (members come, go and change what they want, topics grow) and shares out
after each change, as a leader would with what the members then have. After each round the sharing out must be valid and
balanced; and where all want the same, nothing may have moved but what balance asks for. What Kafka's assignors write
into their user data stands here as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.client.assignors import assign_by_claims
from pykafka_core.client.sticky import Claim, hold_back, share
from pykafka_core.client.subscriptions import read_claim, write_subscription
from pykafka_core.protocol.exceptions import ProtocolError

TopicPartition = tuple[str, int]
Shares = Mapping[str, Sequence[TopicPartition]]

MEMBERS = "abcdefg"
TOPICS = "tuvw"

topics = st.frozensets(st.sampled_from(TOPICS), min_size=1)
counts = st.dictionaries(st.sampled_from(TOPICS), st.integers(1, 7), min_size=1)
same_wishes = topics.flatmap(lambda wish: st.dictionaries(st.sampled_from(MEMBERS), st.just(wish), min_size=1))
wishes = st.one_of(same_wishes, st.dictionaries(st.sampled_from(MEMBERS), topics, min_size=1))


def check(shares: Shares, wanted: Mapping[str, frozenset[str]], existing: Mapping[str, int]) -> None:
    assert set(shares) == set(wanted)
    given_out = [place for own in shares.values() for place in own]
    subscribed = {topic for wish in wanted.values() for topic in wish}
    assert sorted(given_out) == sorted((t, i) for t, count in existing.items() if t in subscribed for i in range(count))
    for member, own in shares.items():
        assert {topic for topic, _ in own} <= wanted[member]
        for other, its in shares.items():
            if len(own) > len(its) + 1:
                assert not {topic for topic, _ in own} & wanted[other], "could give some away"


@given(st.lists(st.tuples(wishes, counts), min_size=1, max_size=5))
def test_shares_are_whole_and_balanced_and_members_keep_what_they_can(
    rounds: list[tuple[dict[str, frozenset[str]], dict[str, int]]],
) -> None:
    before: Shares = {}
    for generation, (wanted, existing) in enumerate(rounds):
        claims = {member: Claim(wish, before.get(member, ()), generation) for member, wish in wanted.items()}
        shares = share(claims, existing)
        check(shares, wanted, existing)
        if len(set(wanted.values())) == 1:
            low = min(map(len, shares.values()))
            for member, own in shares.items():
                had = {p for p in before.get(member, ()) if p[0] in wanted[member] and p[1] < existing.get(p[0], 0)}
                lost = had - set(own)
                assert not lost or len(own) >= low, "gives up only what is more than its share"
                assert not lost or set(own) <= had, "never gives up one and gets another"
        assert share({m: Claim(wanted[m], own, generation) for m, own in shares.items()}, existing) == shares
        before = shares


@given(st.lists(st.tuples(wishes, counts), min_size=1, max_size=4))
def test_cooperative_members_never_share_a_partition_and_come_to_rest(
    rounds: list[tuple[dict[str, frozenset[str]], dict[str, int]]],
) -> None:
    owned: dict[str, list[TopicPartition]] = {}
    generation = 0
    for wanted, existing in rounds:
        owned = {member: owned.get(member, []) for member in wanted}
        for _ in range(3):
            generation += 1
            claims = {member: Claim(wish, owned[member], generation) for member, wish in wanted.items()}
            shares = assign_by_claims("cooperative-sticky", claims, existing)
            for member, own in shares.items():
                others = {place for other, its in owned.items() if other != member for place in its}
                assert not {place for place in own if place not in owned[member]} & others
            is_settled = {m: sorted(own) for m, own in owned.items()} == {m: sorted(own) for m, own in shares.items()}
            owned = {member: list(own) for member, own in shares.items()}
        assert is_settled, "two rounds move everything, and the third nothing"
        check(owned, wanted, existing)


@pytest.mark.parametrize(
    ("claims", "shares"),
    [
        # A newcomer gets what is beyond the others' share.
        ({"a": ("t0 t1 t2", 4), "b": ("t3 t4 t5", 4), "c": ("", -1)}, {"a": "t0 t1", "b": "t3 t4", "c": "t2 t5"}),
        # Who is a generation behind has lost what it had.
        ({"a": ("t0 t1 t2", 5), "b": ("t3 t4 t5", 4)}, {"a": "t0 t1 t2", "b": "t3 t4 t5"}),
        ({"a": ("t0 t3 t4", 5), "b": ("t3 t4 t5", 4)}, {"a": "t0 t3 t4", "b": "t1 t2 t5"}),
        # Two that claim one cannot both be right.
        ({"a": ("t0 t1 t2", 5), "b": ("t2 t3", 5)}, {"a": "t0 t1 t2", "b": "t3 t4 t5"}),
        # The group is younger than the members: nobody knows a generation.
        ({"a": ("t5", -1), "b": ("t0", -1)}, {"a": "t1 t3 t5", "b": "t0 t2 t4"}),
    ],
)
def test_claims_of_the_newest_generation_count(claims: dict[str, tuple[str, int]], shares: dict[str, str]) -> None:
    def places(text: str) -> list[TopicPartition]:
        return [(word[0], int(word[1:])) for word in text.split()]

    found = share({m: Claim(["t"], places(text), generation) for m, (text, generation) in claims.items()}, {"t": 6})
    assert found == {member: places(text) for member, text in shares.items()}


def test_what_another_has_is_held_back() -> None:
    claims = {"a": Claim(["t"], [("t", 0), ("t", 1)], 2), "b": Claim(["t"], [], -1)}
    assert hold_back(share(claims, {"t": 2}), claims) == {"a": [("t", 0)], "b": []}


TWO_TOPICS = bytes.fromhex("00000002 0001 74 00000002 00000000 00000002 0001 75 00000001 00000005 0000000b")


def test_user_data_is_kafkas() -> None:
    previous = [("t", 0), ("t", 2), ("u", 5)], 11
    sticky = write_subscription("sticky", ["u", "t"], [], -1, previous)
    assert sticky == bytes.fromhex("0003 00000002 0001 74 0001 75 00000022") + TWO_TOPICS + bytes.fromhex(
        "00000000 ffffffff ffff"
    )
    assert read_claim("sticky", sticky) == Claim(["t", "u"], *previous)
    cooperative = write_subscription("cooperative-sticky", ["t"], [("t", 1)], 7, previous)
    assert cooperative == bytes.fromhex(
        "0003 00000001 0001 74 00000004 00000007 00000001 0001 74 00000001 00000001 00000007 ffff"
    )
    assert read_claim("cooperative-sticky", cooperative) == Claim(["t"], [("t", 1)], 7)
    assert write_subscription("range", ["t"], [], -1, previous)[9:13] == b"\xff" * 4


def test_older_user_data_is_understood() -> None:
    # Kafka before 2.3: no generation behind the partitions.
    assert read_claim("sticky", bytes.fromhex("0000 00000001 0001 74 0000001e") + TWO_TOPICS[:-4]) == Claim(
        ["t"], [("t", 0), ("t", 2), ("u", 5)], -1
    )
    # Kafka 2.4 to 3.1: partitions in the message, their generation in the user data only.
    assert read_claim(
        "cooperative-sticky",
        bytes.fromhex("0001 00000001 0001 74 00000004 00000007 00000001 0001 74 00000001 00000001"),
    ) == Claim(["t"], [("t", 1)], 7)
    assert read_claim("sticky", bytes.fromhex("0000 00000001 0001 74 ffffffff")) == Claim(["t"], [], -1)
    assert (
        read_claim("range", bytes.fromhex("0009 00000001 0001 74 ffffffff 00000000 00000007 ffff 01")).generation == 7
    )


@given(st.binary(max_size=60))
def test_bytes_that_are_no_subscription_are_refused_and_user_data_never(data: bytes) -> None:
    head = bytes.fromhex("0000 00000001 0001 74") + len(data).to_bytes(4, "big")
    for assignor in ("sticky", "cooperative-sticky"):
        assert read_claim(assignor, head + data).topics == ["t"]
        try:
            read_claim(assignor, data)
        except ProtocolError:
            pass
