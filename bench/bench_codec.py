"""The codec on the messages that a broker reads and writes most, from smallest to largest.

`bytes` in extra_info is the size on the wire. The plan of a class is made by its first call, before the measurement.
"""

from __future__ import annotations

from typing import Any

import pytest

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.api import APIS
from pykafka_core.protocol.framing import decode_request, encode_request
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.protocol.messages.api_versions_response import ApiVersion, ApiVersionsResponse
from pykafka_core.protocol.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from pykafka_core.protocol.messages.create_topics_response import CreatableTopicResult, CreateTopicsResponse
from pykafka_core.protocol.messages.metadata_response import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")


def metadata(topic_count: int, partition_count: int) -> MetadataResponse:
    return MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=i, host=f"broker-{i}.example", port=9092) for i in range(3)],
        cluster_id="AAECAwQFBgcICQoLDA0ODw",
        controller_id=1,
        topics=[
            MetadataResponseTopic(
                name=f"topic-{i}",
                topic_id=i.to_bytes(16, "big"),
                partitions=[
                    MetadataResponsePartition(
                        partition_index=j, leader_id=1, leader_epoch=3, replica_nodes=[0, 1, 2], isr_nodes=[0, 1, 2]
                    )
                    for j in range(partition_count)
                ],
            )
            for i in range(topic_count)
        ],
    )


def create_topics(count: int) -> CreateTopicsRequest:
    configs = [CreatableTopicConfig(name="retention.ms", value="86400000")]
    return CreateTopicsRequest(
        topics=[
            CreatableTopic(name=f"topic-{i}", num_partitions=6, replication_factor=3, configs=configs)
            for i in range(count)
        ]
    )


MESSAGES: dict[str, tuple[Message, int]] = {
    "ApiVersionsRequest": (ApiVersionsRequest(client_software_name="bench", client_software_version="1.0"), 3),
    "ApiVersionsResponse": (
        ApiVersionsResponse(
            api_keys=[
                ApiVersion(api_key=api.key, min_version=api.version_min, max_version=api.version_max)
                for api in APIS.values()
            ]
        ),
        4,
    ),
    "MetadataResponse-1x3": (metadata(1, 3), 12),
    "MetadataResponse-100x10": (metadata(100, 10), 12),
    "CreateTopicsRequest-1": (create_topics(1), 7),
    "CreateTopicsRequest-100": (create_topics(100), 7),
    "CreateTopicsResponse-1": (
        CreateTopicsResponse(topics=[CreatableTopicResult(name="topic-0", num_partitions=6)]),
        7,
    ),
}


@pytest.mark.benchmark(group="codec: encode", min_rounds=20)
@pytest.mark.parametrize("name", MESSAGES)
def test_encode(benchmark: Any, name: str) -> None:
    message, version = MESSAGES[name]
    benchmark.extra_info["bytes"] = len(encode(message, version))
    benchmark(encode, message, version)


@pytest.mark.benchmark(group="codec: decode", min_rounds=20)
@pytest.mark.parametrize("name", MESSAGES)
def test_decode(benchmark: Any, name: str) -> None:
    message, version = MESSAGES[name]
    written = encode(message, version)
    benchmark.extra_info["bytes"] = len(written)
    read, _ = benchmark(decode, type(message), version, written)
    assert read == message


@pytest.mark.benchmark(group="codec: header and body")
def test_decode_request(benchmark: Any) -> None:
    frame = encode_request(19, 7, 1, "bench", create_topics(1))
    benchmark.extra_info["bytes"] = len(frame)
    benchmark(decode_request, frame)
