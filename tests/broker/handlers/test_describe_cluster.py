"""DescribeCluster in every version.

Method: requests through codec, dispatcher and handler.
"""

import pytest

from pykafka_core.broker.operations import CLUSTER_OPERATIONS, NOT_ASKED
from pykafka_core.protocol.messages.describe_cluster_request import DescribeClusterRequest
from tests.broker.fakes import CLUSTER_ID, NODE_ID, ask, fake_cluster


@pytest.mark.parametrize("version", range(3))
async def test_the_cluster_is_this_broker(version):
    answer = await ask({"cluster": fake_cluster()}, DescribeClusterRequest(), version, local="192.0.2.7:9092")
    assert (answer.error_code, answer.cluster_id, answer.controller_id) == (0, CLUSTER_ID, NODE_ID)
    assert [(b.broker_id, b.host, b.port, b.rack, b.is_fenced) for b in answer.brokers] == [
        (NODE_ID, "192.0.2.7", 9092, "r1", False)
    ]
    assert answer.cluster_authorized_operations == NOT_ASKED


@pytest.mark.parametrize("version", range(3))
async def test_authorized_operations_where_asked(version):
    request = DescribeClusterRequest(include_cluster_authorized_operations=True)
    answer = await ask({"cluster": fake_cluster()}, request, version)
    assert answer.cluster_authorized_operations == CLUSTER_OPERATIONS


@pytest.mark.parametrize(("endpoint_type", "code"), [(1, 0), (2, 114), (0, 115), (3, 115)])
@pytest.mark.parametrize("version", [1, 2])
async def test_only_brokers_can_be_asked_for(version, endpoint_type, code):
    answer = await ask({"cluster": fake_cluster()}, DescribeClusterRequest(endpoint_type=endpoint_type), version)
    assert answer.error_code == code
    assert (answer.error_message is None) == (code == 0)
