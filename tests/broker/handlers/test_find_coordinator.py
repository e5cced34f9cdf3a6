"""FindCoordinator in every version: groups and transactional ids are coordinated here once their topics exist; each
other key is refused.

Method: a stand-in for the coordinator service says whether the topic exists.
"""

import pytest

from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from tests.broker.fakes import NODE_ID, ask, fake_cluster

NOT_AVAILABLE = 15
INVALID_REQUEST = 42


class TopicExists:
    def coordinator_error(self):
        return ErrorCode.NONE


class TopicIsMade:
    error = ErrorCode.NONE

    async def coordinator_error(self):
        return self.error


class TopicCannotBeMade(TopicIsMade):
    error = ErrorCode.COORDINATOR_NOT_AVAILABLE


def ports(groups=TopicExists, transactions=TopicExists):
    return {"cluster": fake_cluster(), "groups": groups(), "transactions": transactions()}


@pytest.mark.parametrize("groups", [TopicExists, TopicIsMade])
@pytest.mark.parametrize("version", range(4))
async def test_a_group_is_coordinated_here(version, groups):
    answer = await ask(ports(groups), FindCoordinatorRequest(key="g"), version)
    assert (answer.error_code, answer.node_id, answer.host, answer.port) == (0, NODE_ID, "127.0.0.1", 9092)


@pytest.mark.parametrize("version", range(4))
async def test_without_the_topic_nobody_coordinates(version):
    answer = await ask(ports(TopicCannotBeMade), FindCoordinatorRequest(key="g"), version)
    assert (answer.error_code, answer.node_id, answer.host, answer.port) == (NOT_AVAILABLE, -1, "", -1)


@pytest.mark.parametrize("version", range(1, 4))
async def test_a_transactional_id_is_coordinated_here(version):
    answer = await ask(ports(TopicCannotBeMade), FindCoordinatorRequest(key="t", key_type=1), version)
    assert (answer.error_code, answer.node_id) == (0, NODE_ID)


@pytest.mark.parametrize("version", range(4, 7))
@pytest.mark.parametrize(("key_type", "code", "node_id"), [(0, 0, NODE_ID), (1, NOT_AVAILABLE, -1)])
async def test_each_key_of_several_is_answered(version, key_type, code, node_id):
    given = ports(transactions=TopicCannotBeMade)
    answer = await ask(given, FindCoordinatorRequest(key_type=key_type, coordinator_keys=["a", "b"]), version)
    assert [(c.key, c.error_code, c.node_id) for c in answer.coordinators] == [
        ("a", code, node_id),
        ("b", code, node_id),
    ]


@pytest.mark.parametrize(
    ("version", "key_type", "code"), [(5, 2, INVALID_REQUEST), (6, 2, NOT_AVAILABLE), (6, 3, INVALID_REQUEST)]
)
async def test_a_type_that_the_version_does_not_know_is_invalid(version, key_type, code):
    answer = await ask(ports(), FindCoordinatorRequest(key_type=key_type, coordinator_keys=["k"]), version)
    assert [c.error_code for c in answer.coordinators] == [code]
