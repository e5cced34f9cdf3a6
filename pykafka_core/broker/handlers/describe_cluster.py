"""DescribeCluster (60), versions 0-2: cluster id, controller and brokers.

- Version 1 says whether brokers (1) or controllers (2) are meant. A broker's listener answers for brokers: 2 is
  MISMATCHED_ENDPOINT_TYPE, any other number UNSUPPORTED_ENDPOINT_TYPE (KIP-919).
- Version 2 can ask for fenced brokers too. None is ever fenced here.
- Authorized operations are a bit set, filled where asked; without an authorizer everything is allowed.

Source: KIP-700, KIP-919, KIP-1073; kafka.server.KafkaApis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.operations import CLUSTER_OPERATIONS, NOT_ASKED
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_cluster_request import DescribeClusterRequest
from pykafka_core.protocol.messages.describe_cluster_response import DescribeClusterBroker, DescribeClusterResponse

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster

BROKERS = 1
CONTROLLERS = 2


@serves(ApiKey.DESCRIBE_CLUSTER, 0, 2)
def describe_cluster(
    request: DescribeClusterRequest, context: RequestContext, *, cluster: Cluster
) -> DescribeClusterResponse:
    if request.endpoint_type == CONTROLLERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            error_message="The request was sent to a broker's endpoint, not to a controller's.",
            endpoint_type=BROKERS,
        )
    if request.endpoint_type != BROKERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"Unsupported endpoint type {request.endpoint_type}.",
            endpoint_type=BROKERS,
        )
    return DescribeClusterResponse(
        endpoint_type=BROKERS,
        cluster_id=cluster.cluster_id,
        controller_id=cluster.controller_id,
        brokers=[
            DescribeClusterBroker(broker_id=node.node_id, host=node.host, port=node.port, rack=node.rack)
            for node in cluster.nodes(context)
        ],
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NOT_ASKED,
    )
