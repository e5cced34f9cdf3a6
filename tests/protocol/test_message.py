"""Goal: message objects are plain values with Kafka's defaults."""

from __future__ import annotations

import pytest

from pykafka_core.protocol.message import ZERO_UUID
from pykafka_core.protocol.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from pykafka_core.protocol.messages.fetch_request import FetchRequest, FetchTopic
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from pykafka_core.protocol.uuids import random_uuid, uuid_from_string, uuid_to_string
from tests.protocol.builders import message_classes


def test_defaults_are_kafkas() -> None:
    request = FetchRequest()
    assert (request.max_bytes, request.replica_id, request.session_epoch, request.cluster_id) == (
        2**31 - 1,
        -1,
        -1,
        None,
    )
    assert request.replica_state.replica_epoch == -1
    assert FetchTopic().topic_id == ZERO_UUID
    assert CreateTopicsRequest().timeout_ms == 60000
    assert MetadataRequest().allow_auto_topic_creation is True


def test_lists_and_structs_are_not_shared() -> None:
    assert MetadataRequest().topics is not MetadataRequest().topics
    assert FetchRequest().replica_state is not FetchRequest().replica_state


def test_null_is_not_the_default_list() -> None:
    assert MetadataRequest(topics=None).topics is None
    assert MetadataRequest().topics == []


def test_only_known_fields_by_name() -> None:
    with pytest.raises(TypeError):
        MetadataRequest(topic=[])  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        MetadataRequest([])  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        MetadataRequest().topic = []  # type: ignore[attr-defined]


def test_messages_compare_by_value() -> None:
    assert CreatableTopic(name="a") == CreatableTopic(name="a")
    assert CreatableTopic(name="a") != CreatableTopic(name="b")
    assert MetadataRequestTopic() != CreatableTopic()
    with pytest.raises(TypeError):
        hash(CreatableTopic())


def test_repr_names_the_fields() -> None:
    topic = MetadataRequestTopic(name="a")
    assert repr(topic) == f"MetadataRequestTopic(topic_id={ZERO_UUID!r}, name='a')"


def test_no_two_messages_share_a_name() -> None:
    names = [cls.__name__ for cls in message_classes()]
    assert len(names) == len(set(names))


def test_uuid_text_round_trips() -> None:
    for uuid in (ZERO_UUID, b"\xff" * 16, bytes(range(16)), *(random_uuid() for _ in range(200))):
        text = uuid_to_string(uuid)
        assert len(text) == 22
        assert uuid_from_string(text) == uuid
    assert uuid_to_string(ZERO_UUID) == "A" * 22
    assert uuid_to_string(bytes(range(16))) == "AAECAwQFBgcICQoLDA0ODw"


@pytest.mark.parametrize(
    "text", ["", "A", "A" * 21, "A" * 23, "A" * 21 + "B", "+" + "A" * 21, "A" * 20 + "==", "é" * 22]
)
def test_text_that_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a uuid"):
        uuid_from_string(text)


def test_random_uuids_can_stand_on_a_command_line() -> None:
    made = {random_uuid() for _ in range(300)}
    assert len(made) == 300
    assert not any(uuid_to_string(uuid).startswith("-") for uuid in made)
    with pytest.raises(ValueError, match="16 bytes"):
        uuid_to_string(b"short")
