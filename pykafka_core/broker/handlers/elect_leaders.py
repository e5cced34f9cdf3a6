"""ElectLeaders (43), versions 0-2: hold an election for partitions, or for all (null).

- 0, the only one of version 0: the preferred replica, the first in the list, if it is in sync and alive.
- 1, unclean: a live replica where nobody leads, though it may lack records that others had.
- A partition that is led as asked: ELECTION_NOT_NEEDED; of "all" such partitions are left out of the answer.

One broker leads at its start whatever it may lead without loss, so what is left are partitions that came from a
larger cluster. The new leader epoch is in the metadata and in the log before the answer.
Source: KIP-460; org.apache.kafka.controller.ReplicationControlManager.electLeaders.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.changes_admin import elect_replica
from pykafka_core.native import EngineError
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.elect_leaders_request import ElectLeadersRequest
from pykafka_core.protocol.messages.elect_leaders_response import (
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.broker.topics import Topics
    from pykafka_core.metadata.image import PartitionImage
    from pykafka_core.metadata.store import MetadataStore

PREFERRED, UNCLEAN = range(2)


@serves(ApiKey.ELECT_LEADERS, 0, 2)
async def elect_leaders(
    request: ElectLeadersRequest, context: RequestContext, *, store: MetadataStore, topics: Topics, cluster: Cluster
) -> ElectLeadersResponse:
    everything = request.topic_partitions is None
    asked = (
        [(topic.name, range(len(topic.partitions))) for topic in store.image.topics.values()]
        if request.topic_partitions is None
        else [(topic.topic, topic.partitions) for topic in request.topic_partitions]
    )
    known = request.election_type in (PREFERRED, UNCLEAN)
    results = []
    for name, indexes in asked:
        outcomes = []
        for index in indexes:
            outcome = PartitionResult(partition_id=index, error_message=None)
            try:
                if not known:
                    raise RequestError(ErrorCode.INVALID_REQUEST, f"Unknown election type {request.election_type}")
                await elect(name, index, request.election_type, store, topics, cluster)
            except RequestError as error:
                if everything and error.code == ErrorCode.ELECTION_NOT_NEEDED:
                    continue
                outcome.error_code, outcome.error_message = error.code, str(error)
            outcomes.append(outcome)
        if outcomes or not everything:
            results.append(ReplicaElectionResult(topic=name, partition_result=outcomes))
    response = ElectLeadersResponse(replica_election_results=results)
    if not known and context.api_version >= 1:
        response.error_code = ErrorCode.INVALID_REQUEST
    return response


async def elect(name: str, index: int, election: int, store: MetadataStore, topics: Topics, cluster: Cluster) -> None:
    """Let this broker lead a partition. Raises RequestError."""
    image = store.image
    topic = image.topics.get(name)
    if topic is None:
        raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    partition = image.partition(name, index)
    if partition is None:
        raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}")
    check_wanted(partition, election, cluster)
    await commit_or_refuse(store, elect_replica(topic, partition, cluster.node_id))
    running = topics.find(name)
    led = store.image.partition(name, index)
    if running is None or led is None:
        return
    here = running.partitions[index]
    try:
        await asyncio.to_thread(here.log.assign_epoch, led.leader_epoch)
    except (EngineError, OSError) as error:
        raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log did not take the new epoch: {error}") from error
    here.leader_epoch = led.leader_epoch
    here.wake()


def check_wanted(partition: PartitionImage, election: int, cluster: Cluster) -> None:
    """Raise RequestError unless this broker is to be elected."""
    has_leader = cluster.is_alive(partition.leader)
    wanted = partition.replicas[0] if election == PREFERRED else cluster.node_id
    if has_leader and (election == UNCLEAN or partition.leader == wanted):
        raise RequestError(ErrorCode.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
    if election == PREFERRED and (wanted not in partition.isr or not cluster.is_alive(wanted)):
        raise RequestError(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available.")
    if election == UNCLEAN and wanted not in partition.replicas:
        raise RequestError(
            ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "Eligible topic partition leaders are not available."
        )
