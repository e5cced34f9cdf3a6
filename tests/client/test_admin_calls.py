"""The administrator's calls against a broker of ours: each API once, results and errors as they are handed out."""

from __future__ import annotations

import pytest

from pykafka_core.client.admin import create_topic, describe_log_dirs
from pykafka_core.client.admin_cluster import (
    UpgradeType,
    describe_features,
    describe_quorum,
    list_config_resources,
    unregister_broker,
    update_features,
)
from pykafka_core.client.admin_partitions import (
    ElectionType,
    alter_partition_reassignments,
    alter_replica_log_dirs,
    describe_producers,
    elect_leaders,
    list_partition_reassignments,
)
from pykafka_core.client.admin_quotas import (
    QuotaMatch,
    ScramMechanism,
    alter_client_quotas,
    alter_user_scram_credentials,
    describe_client_quotas,
    describe_user_scram_credentials,
)
from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError
from pykafka_core.client.producer import Producer, ProducerSettings
from pykafka_core.protocol.errors import ErrorCode

Address = tuple[str, int]


def codes(outcomes: dict[str, KafkaError | None] | dict[tuple[str, int], KafkaError | None]) -> dict[object, int]:
    return {key: 0 if error is None else error.code for key, error in outcomes.items()}


async def test_quotas(address: Address) -> None:
    alice, nobody = (("user", "alice"),), (("user", ""),)
    async with Client([address]) as client:
        outcomes = await alter_client_quotas(
            client, {alice: {"producer_byte_rate": 1024.0}, nobody: {"producer_byte_rate": 1.0}}
        )
        assert outcomes[alice] is None
        refused = outcomes[nobody]
        assert refused is not None
        assert (refused.code, str(refused)) == (ErrorCode.INVALID_REQUEST, "Empty user not supported")
        found = await describe_client_quotas(client, [("user", QuotaMatch.EXACT, "alice")], strict=True)
        assert found == {alice: {"producer_byte_rate": 1024.0}}
        await alter_client_quotas(client, {alice: {"producer_byte_rate": None}})
        assert await describe_client_quotas(client) == {}
        with pytest.raises(KafkaError, match="Unsupported entity type foo"):
            await describe_client_quotas(client, [("foo", QuotaMatch.ANY, None)])


async def test_scram_credentials(address: Address) -> None:
    sha_256 = ScramMechanism.SCRAM_SHA_256
    async with Client([address]) as client:
        outcomes = await alter_user_scram_credentials(
            client, set_=[("alice", sha_256, "secret", 8192)], delete=[("bob", sha_256)]
        )
        assert codes(outcomes) == {"alice": 0, "bob": ErrorCode.RESOURCE_NOT_FOUND}
        assert await describe_user_scram_credentials(client) == {"alice": [(sha_256, 8192)]}
        assert sha_256.text == "SCRAM-SHA-256"
        (missing,) = (await describe_user_scram_credentials(client, ["bob"])).values()
        assert isinstance(missing, KafkaError)


async def test_features_and_quorum(address: Address) -> None:
    async with Client([address]) as client:
        features = await describe_features(client)
        assert features.supported["metadata.version"] == (7, 33)
        level = features.finalized["metadata.version"]
        assert await update_features(client, {"metadata.version": (level, UpgradeType.UPGRADE)}) == {
            "metadata.version": None
        }
        with pytest.raises(KafkaError, match="only supports versions 7-33"):
            await update_features(client, {"metadata.version": (99, UpgradeType.UPGRADE)}, validate_only=True)
        partition, nodes = await describe_quorum(client)
        assert partition.leader_id == nodes[0].node_id == 1
        with pytest.raises(KafkaError) as refused:
            await unregister_broker(client, 7)
        assert refused.value.code == ErrorCode.BROKER_ID_NOT_REGISTERED
        assert (4, "1") in await list_config_resources(client)
        assert await list_config_resources(client, [16]) == []


async def test_partitions(address: Address) -> None:
    async with Client([address]) as client:
        await create_topic(client, "elected", partition_count=1)
        outcomes = await elect_leaders(client, ElectionType.PREFERRED, [("elected", 0), ("elected", 1)])
        assert codes(outcomes) == {
            ("elected", 0): ErrorCode.ELECTION_NOT_NEEDED,
            ("elected", 1): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        }
        assert await elect_leaders(client, ElectionType.UNCLEAN, None) == {}
        moved = await alter_partition_reassignments(client, {("elected", 0): [1], ("missing", 0): [1]})
        assert codes(moved) == {("elected", 0): 0, ("missing", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert await list_partition_reassignments(client) == {}
        assert await list_partition_reassignments(client, [("elected", 0)]) == {}


async def test_producers_and_log_directories(address: Address) -> None:
    async with Client([address]) as client:
        await create_topic(client, "placed", partition_count=1)
        producer = Producer(client, ProducerSettings(idempotent=True))
        await (await producer.send("placed", b"value"))
        await producer.close()
        found = await describe_producers(client, [("placed", 0), ("missing", 0)])
        states = found["placed", 0]
        assert not isinstance(states, KafkaError)
        assert [each.last_sequence for each in states] == [0]
        assert isinstance(found["missing", 0], KafkaError)
        (directories,) = (await describe_log_dirs(client, [1])).values()
        outcomes = await alter_replica_log_dirs(client, 1, {("placed", 0): directories[0].log_dir})
        assert codes(outcomes) == {("placed", 0): 0}
        outcomes = await alter_replica_log_dirs(client, 1, {("placed", 0): "/nowhere"})
        assert codes(outcomes) == {("placed", 0): ErrorCode.LOG_DIR_NOT_FOUND}
