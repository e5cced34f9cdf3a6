"""DeleteTopics in every version: by name and by id, and that nothing of the topic stays.

Method: a running broker, asked over a socket; its directory is looked at.
"""

import time

import pytest

from pykafka_core.protocol.messages.delete_topics_request import DeleteTopicsRequest, DeleteTopicState
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce

UNKNOWN_ID = b"\x07" * 16


def delete(client, *names, version=5):
    if version >= 6:
        request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in names])
    else:
        request = DeleteTopicsRequest(topic_names=list(names))
    return client.call(request, version).responses


def by_id(client, *states):
    return client.call(DeleteTopicsRequest(topics=list(states)), 6).responses


def topics(client):
    return {topic.name for topic in client.call(MetadataRequest(topics=None), 9).topics}


@pytest.mark.parametrize("version", range(1, 7))
def test_each_version_deletes(client, broker, name, version):
    create_topic(client, name, 2)
    (result,) = delete(client, name, version=version)
    assert (result.name, result.error_code) == (name, 0)
    assert name not in topics(client)
    assert not list(broker.directory.glob(f"{name}-?"))
    assert [answer.error_code for answer in produce(client, name, batch_of(b"v"))] == [3]


@pytest.mark.parametrize("version", range(1, 7))
def test_unknown_names(client, name, version):
    (result,) = delete(client, name, version=version)
    assert result.error_code == 3
    assert (result.error_message is None) == (version < 5)


def test_by_id(client, name):
    topic_id = create_topic(client, name)
    known, unknown = by_id(client, DeleteTopicState(topic_id=topic_id), DeleteTopicState(topic_id=UNKNOWN_ID))
    assert (known.error_code, known.name, known.topic_id) == (0, name, topic_id)
    assert (unknown.error_code, unknown.name, unknown.topic_id) == (100, None, UNKNOWN_ID)
    assert name not in topics(client)


def test_contradictions(client, name):
    topic_id = create_topic(client, name)
    both, neither = by_id(client, DeleteTopicState(name=name, topic_id=topic_id), DeleteTopicState())
    assert [both.error_code, neither.error_code] == [42, 42]
    first, second = by_id(client, DeleteTopicState(name=name), DeleteTopicState(topic_id=topic_id))
    assert [first.error_code, second.error_code] == [0, 42]


def test_a_topic_of_the_same_name_starts_anew(client, name):
    old_id = create_topic(client, name)
    produce(client, name, batch_of(b"old"))
    delete(client, name)
    new_id = create_topic(client, name)
    assert new_id != old_id
    assert fetch(client, name) == b""
    assert produce(client, name, batch_of(b"new"))[0].base_offset == 0


def test_the_files_go_after_the_delay(client, broker, name):
    create_topic(client, name, file_delete_delay_ms=0)
    create_topic(client, f"{name}-later", file_delete_delay_ms=3600000)
    delete(client, name, f"{name}-later")
    deadline = time.monotonic() + 60
    while list(broker.directory.glob(f"{name}-0.*-delete")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [path.name for path in broker.directory.glob(f"{name}*")] == [
        path.name for path in broker.directory.glob(f"{name}-later-0.*-delete")
    ]


def test_what_an_earlier_run_left_goes_at_the_next_start(tmp_path):
    left = tmp_path / ("t-0." + "0" * 32 + "-delete")
    with Broker(directory=tmp_path):
        pass
    left.mkdir()
    (left / "00000000000000000000.log").write_bytes(b"x")
    with Broker(directory=tmp_path):
        deadline = time.monotonic() + 60
        while left.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left.exists()


def test_deletion_can_be_forbidden():
    with Broker(delete_topic_enable=False, topics={"t": 1}) as broker, RawClient(broker.bootstrap) as client:
        assert [delete(client, "t", version=version)[0].error_code for version in (2, 3)] == [42, 73]
        assert "t" in topics(client)
