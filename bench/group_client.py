"""Consumer groups as raw frames over sockets, so that the broker is what takes the time.

`Member` joins a group by the protocol's own steps; `rounds` keeps one request in flight on each of many connections, as
clients of the group protocol do, and counts the answers.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence

from bench.broker_process import BrokerProcess
from bench.raw_client import call, create_topic, receive_frame
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment

__all__ = [
    "COMMIT_ERROR",
    "HEARTBEAT_ERROR",
    "Member",
    "commit_frame",
    "create_topic",
    "heartbeat_frame",
    "join_groups",
    "rounds",
]

HEARTBEAT_ERROR, COMMIT_ERROR = -3, -5
"""From the end of an answer of Heartbeat 4 and OffsetCommit 9, of the last partition: tags stand behind it."""
SUBSCRIPTION = b"\0\1\0\0\0\1\0\5topic\xff\xff\xff\xff\0\0\0\0"


class Member:
    def __init__(self, broker: BrokerProcess, group: str) -> None:
        self.group = group
        self.connection = broker.connect()
        self.member_id = ""
        self.generation = -1
        self.leader = ""

    def _join_request(self) -> JoinGroupRequest:
        return JoinGroupRequest(
            group_id=self.group,
            member_id=self.member_id,
            session_timeout_ms=300_000,
            rebalance_timeout_ms=300_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)],
        )

    def ask_id(self) -> None:
        answer = call(self.connection, ApiKey.JOIN_GROUP, 9, self._join_request())
        assert answer.error_code == 79, answer  # type: ignore[attr-defined]
        self.member_id = answer.member_id  # type: ignore[attr-defined]

    def send_join(self) -> None:
        self._send(ApiKey.JOIN_GROUP, 9, self._join_request())

    def send_sync(self, members: Sequence[str]) -> None:
        assignments = [SyncGroupRequestAssignment(member_id=each, assignment=bytes(32)) for each in members]
        self._send(
            ApiKey.SYNC_GROUP,
            5,
            SyncGroupRequest(
                group_id=self.group,
                member_id=self.member_id,
                generation_id=self.generation,
                protocol_type="consumer",
                protocol_name="range",
                assignments=assignments,
            ),
        )

    def _send(self, key: ApiKey, version: int, body: object) -> None:
        self.connection.sendall(encode_request(key, version, 1, "bench", body, with_length=True))  # type: ignore[arg-type]


def join_groups(broker: BrokerProcess, groups: int, members: int, *, prefix: str = "group") -> list[Member]:
    """Stable groups of so many members each, all joined within one group.initial.rebalance.delay.ms."""
    with broker.connect() as connection:
        while call(connection, ApiKey.FIND_COORDINATOR, 3, FindCoordinatorRequest(key="g")).error_code:  # type: ignore[attr-defined]
            time.sleep(0.1)
    everybody = [[Member(broker, f"{prefix}-{number}") for _ in range(members)] for number in range(groups)]
    for group in everybody:
        for member in group:
            member.ask_id()
    for group in everybody:
        for member in group:
            member.send_join()
    for group in everybody:
        told: tuple[str, ...] = ()
        for member in group:
            _, answer = decode_response(ApiKey.JOIN_GROUP, 9, receive_frame(member.connection))
            assert answer.error_code == 0, answer  # type: ignore[attr-defined]
            member.generation, member.leader = answer.generation_id, answer.leader  # type: ignore[attr-defined]
            told = told or tuple(each.member_id for each in answer.members)  # type: ignore[attr-defined]
        assert len({member.generation for member in group}) == 1, "more than one generation: raise the initial delay"
        for member in group:
            member.send_sync(told if member.member_id == member.leader else ())
        for member in group:
            _, answer = decode_response(ApiKey.SYNC_GROUP, 5, receive_frame(member.connection))
            assert answer.error_code == 0, answer  # type: ignore[attr-defined]
    return [member for group in everybody for member in group]


def heartbeat_frame(member: Member) -> bytes:
    body = HeartbeatRequest(group_id=member.group, member_id=member.member_id, generation_id=member.generation)
    return encode_request(ApiKey.HEARTBEAT, 4, 1, "bench", body, with_length=True)


def commit_frame(member: Member, topic: str, partitions: int, *, version: int = 9) -> bytes:
    asked = [
        OffsetCommitRequestPartition(partition_index=index, committed_offset=12345, committed_metadata="")
        for index in range(partitions)
    ]
    body = OffsetCommitRequest(
        group_id=member.group,
        member_id=member.member_id,
        generation_id_or_member_epoch=member.generation,
        topics=[OffsetCommitRequestTopic(name=topic, partitions=asked)],
    )
    return encode_request(ApiKey.OFFSET_COMMIT, version, 1, "bench", body, with_length=True)


def rounds(
    connections: Sequence[socket.socket], frames: Sequence[bytes], count: int, error_at: int = HEARTBEAT_ERROR
) -> float:
    """Send `count` requests in all, one in flight on each connection; return the seconds it took.

    `error_at`: where in an answer the error code stands that must be 0, so that a load whose requests fail does not
    pass for a fast one.
    """
    poller = select.epoll()
    by_number = {each.fileno(): (each, frame) for each, frame in zip(connections, frames, strict=True)}
    for number in by_number:
        poller.register(number, select.EPOLLIN)
    began = time.perf_counter()
    sent = 0
    for each, frame in by_number.values():
        each.send(frame)
        sent += 1
    received = 0
    while received < sent:
        for number, _ in poller.poll():
            each, frame = by_number[number]
            answer = each.recv(65536)
            received += 1
            if answer[error_at : error_at + 2] != b"\0\0":
                raise RuntimeError(f"a request failed: {answer!r}")
            if sent < count:
                each.send(frame)
                sent += 1
    took = time.perf_counter() - began
    poller.close()
    return took
