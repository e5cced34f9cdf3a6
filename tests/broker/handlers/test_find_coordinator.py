"""FindCoordinator in every version: an honest refusal for each key, in the shape that the version has."""

import pytest

from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from tests.broker.fakes import ask

NOT_AVAILABLE = 15
INVALID_REQUEST = 42


@pytest.mark.parametrize("version", range(4))
async def test_one_key_is_refused(version):
    answer = await ask({}, FindCoordinatorRequest(key="g"), version)
    assert (answer.error_code, answer.node_id, answer.host, answer.port) == (NOT_AVAILABLE, -1, "", -1)


@pytest.mark.parametrize("version", range(4, 7))
async def test_each_key_of_several_is_refused(version):
    answer = await ask({}, FindCoordinatorRequest(key_type=1, coordinator_keys=["a", "b"]), version)
    assert [(c.key, c.error_code, c.node_id) for c in answer.coordinators] == [
        ("a", NOT_AVAILABLE, -1),
        ("b", NOT_AVAILABLE, -1),
    ]


@pytest.mark.parametrize(
    ("version", "key_type", "code"), [(5, 2, INVALID_REQUEST), (6, 2, NOT_AVAILABLE), (6, 3, INVALID_REQUEST)]
)
async def test_a_type_that_the_version_does_not_know_is_invalid(version, key_type, code):
    answer = await ask({}, FindCoordinatorRequest(key_type=key_type, coordinator_keys=["k"]), version)
    assert [c.error_code for c in answer.coordinators] == [code]
