"""The hashes by which a change of topics is noticed are those of Apache Kafka.

Method: values that hash4j 0.22 (which Kafka 4.3.1 uses) computes for bytes of every length class, and for a topic.
"""

from __future__ import annotations

from pykafka_core.coordinator.topics import Topic, TopicHashes, topic_hash
from pykafka_core.coordinator.xxh3 import xxh3_64

BY_SIZE = {
    0: 3244421341483603138,
    1: -2220562881957146901,
    2: 3724619060873665926,
    3: -6266602912829716452,
    4: 6297312323375345790,
    5: 2565845316291143453,
    8: -5693888875394197238,
    9: -8445836227155624914,
    12: -4953081316045159704,
    16: 3159599325006435930,
    17: 7070371635116224842,
    31: 2053882885601730627,
    32: -8569976950676894311,
    33: -5271264198224304052,
    64: 1953419934939160347,
    65: -1151936845768811324,
    100: 7938407634120260973,
    128: -1633510367785085978,
    129: -5383259723849235271,
    130: 5970752764592826827,
    200: 7350251351420641343,
    240: 4473034316189165092,
    241: -4792628563661132438,
    300: 4044510628947536213,
    512: -648991930387029524,
    1024: -2568512991238798245,
    1025: -4010797056655636473,
    2000: -287206472305095639,
    5000: 3499038088879543845,
}
TOPIC_ID = bytes.fromhex("01020304050607081112131415161718")
ORDERS = Topic("orders", TOPIC_ID, (("a", "bb"), (), ("z",)))


class Topics:
    """A view of some topics."""

    version = 1

    def __init__(self, *topics: Topic) -> None:
        self._topics = {topic.name: topic for topic in topics}

    def by_name(self, name: str) -> Topic | None:
        return self._topics.get(name)

    def by_id(self, topic_id: bytes) -> Topic | None:
        return next((topic for topic in self._topics.values() if topic.topic_id == topic_id), None)

    def names(self) -> list[str]:
        return list(self._topics)


def signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def test_xxh3_of_every_length_class() -> None:
    found = {size: signed(xxh3_64(bytes((7 * n + size) % 256 for n in range(size)))) for size in BY_SIZE}
    assert found == BY_SIZE


def test_hash_of_a_topic() -> None:
    assert signed(topic_hash(ORDERS)) == 3928208833537862022


def test_topics_that_do_not_exist_do_not_count() -> None:
    hashes = TopicHashes()
    assert hashes.of_group(["missing"], Topics()) == 0
    alone = hashes.of_group(["orders"], Topics(ORDERS))
    assert alone != 0
    assert hashes.of_group(["missing", "orders"], Topics(ORDERS)) == alone


def test_a_topic_is_hashed_again_when_it_was_forgotten() -> None:
    hashes = TopicHashes()
    before = hashes.of_group(["orders"], Topics(ORDERS))
    grown = Topics(ORDERS._replace(racks=((), (), (), ())))
    assert hashes.of_group(["orders"], grown) == before
    hashes.forget(["orders"])
    assert hashes.of_group(["orders"], grown) != before
