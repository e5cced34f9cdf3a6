"""The network server and the topic table: what the broker's asyncio shell sees of csrc/server and csrc/hot.

Threads: every method may be called from the asyncio thread; calls that can wait say so.  Reactors are C threads that
never take the GIL.  They answer Produce, Fetch, ListOffsets and what was published for ApiVersions and Heartbeat; any
other request, and a hot one that only Python can settle, arrives here whole and is answered with `Server.reply`.
"""

from collections.abc import Sequence
from typing import Final, Self, final

from pykafka_core.native._log import Log

TRUSTED_GUARD: Final[int]
"""A guard for `Partition.append` that asks for no verification: whoever appends knows that the transaction is open."""

@final
class TopicConfig:
    """The topic settings that the data path obeys; immutable.  Names and units are those of Kafka's topic configs."""

    def __new__(
        cls,
        *,
        max_message_bytes: int = 1048588,
        log_append_time: bool = False,
        timestamp_before_max_ms: int = 9223372036854775807,
        timestamp_after_max_ms: int = 3600000,
        flush_messages: int = 9223372036854775807,
        compacted: bool = False,
        codec: int = -1,
        min_insync_replicas: int = 1,
        internal: bool = False,
    ) -> Self:
        """`codec`: -1 keeps the producer's, else the attribute value 0..4 that stored batches must have.

        `flush_messages`: so many records may wait for a sync; 1 syncs before each answer.  `compacted`: records need
        keys.  `internal`: clients may not produce to it.
        """

@final
class AppendOutcome:
    """What Produce answers for one partition."""

    error_code: int
    base_offset: int
    log_append_time_ms: int
    log_start_offset: int
    record_errors: list[tuple[int, str | None]]
    error_message: str | None

@final
class Partition:
    """A partition that this broker leads: a log, its leader epoch and the fetches that wait on it."""

    index: Final[int]
    log: Final[Log]
    leader_epoch: int

    def __new__(cls, index: int, log: Log, leader_epoch: int) -> Self: ...
    @property
    def high_watermark(self) -> int: ...
    @property
    def last_stable_offset(self) -> int: ...
    def append(
        self,
        batch: bytes | bytearray | memoryview,
        config: TopicConfig,
        *,
        produce_version: int = 13,
        guard: int = 0,
        by_coordinator: bool = False,
    ) -> AppendOutcome:
        """Validate one record batch, append it, wake the fetches that wait for it.

        The bytes are copied first.  Drops the GIL.

        A transactional batch is taken if its producer's transaction is open here (same id and epoch), or with the
        `guard` of `log.begin_verification`; otherwise the error code is INVALID_TXN_STATE (48).  `TRUSTED_GUARD`: the
        caller answers for it.

        `by_coordinator`: the batch was made by a coordinator of this broker (offsets in a transaction,
        TxnOffsetCommit).  It bears a producer id and epoch and no sequence (-1); epochs are judged, sequences are not.
        """
    def append_marker(
        self,
        config: TopicConfig,
        *,
        producer_id: int,
        producer_epoch: int,
        coordinator_epoch: int,
        commit: bool,
        transaction_version: int,
    ) -> AppendOutcome:
        """Write a producer's commit or abort marker: its transaction ends here, whether it has data here or not.

        Wakes the fetches that wait, moves the last stable offset.  Drops the GIL.  Error codes:

        - INVALID_PRODUCER_EPOCH (47): the epoch is below the one that the partition knows; with transaction version 2
          or above (the coordinator has raised the epoch by one before) also where it is that very one, unless no
          transaction is open: then it is a repeat, and is written again.
        - TRANSACTION_COORDINATOR_FENCED (52): a newer coordinator epoch has been seen for this producer.
        - KAFKA_STORAGE_ERROR (56); UNKNOWN_TOPIC_OR_PARTITION (3): the partition is gone.

        Nothing is synced: where the topic's flush.messages asks for it, the caller flushes `log` before it answers.
        """
    def wake(self) -> None:
        """Let every fetch that waits on this partition look again (after DeleteRecords)."""

@final
class Topic:
    """One topic of the table; immutable, to be replaced as a whole."""

    name: Final[str]
    topic_id: Final[bytes]
    config: Final[TopicConfig]
    partitions: Final[tuple[Partition, ...]]

    def __new__(cls, name: str, topic_id: bytes, config: TopicConfig, partitions: Sequence[Partition]) -> Self:
        """`topic_id`: 16 bytes.  `partitions[i].index == i`."""

@final
class Request:
    """A request that a reactor handed up: the frame without its size field, copied."""

    token: Final[int]
    listener: Final[int]
    peer: Final[str]
    local: Final[str]
    frame: Final[bytes]

@final
class Event:
    """Something worth a line in the log: a connection closed for cause, accept failing.  Already rate limited."""

    kind: Final[str]
    peer: Final[str]
    detail: Final[bytes]
    suppressed: Final[int]

@final
class Server:
    """Reactors, listeners, and the way up and down between them and Python."""

    def __new__(
        cls,
        *,
        node_id: int,
        reactors: int = 3,
        frame_size_max: int = 104857600,
        connections_max: int = 2147483647,
        input_bytes_max: int = 536870912,
        idle_ms: int = 600000,
        send_buffer: int = -1,
        receive_buffer: int = -1,
        spin_us: int = 0,
        fetch_max_bytes: int = 57671680,
        fetch_sessions_max: int = 1000,
        handed_up_keys: bytes = b"",
    ) -> Self:
        """`spin_us`: a reactor looks so long for events before it sleeps, where its last waits were short; 0: never.
        `handed_up_keys`: API keys, one byte each, that the reactors would answer but shall hand up (for tests)."""

    def publish(self, topics: Sequence[Topic]) -> None:
        """Make this the whole topic table, at once, for every reactor.

        A topic left out is unknown to clients from now on, and fetches that wait on it are answered.
        """
    def publish_api_versions(self, bodies: Sequence[bytes], cluster_id: str) -> None:
        """Let the reactors answer ApiVersions: `bodies[version]`, without the response header.

        They answer what needs no more than that; every other ApiVersions request comes up.
        """
    def open_group(self, group_id: str, generation: int, members: Sequence[tuple[str, str | None]]) -> None:
        """Let the reactors answer the heartbeats of these members, named by member id and instance id.

        They answer in this generation only; every other heartbeat comes up.
        """
    def close_group(self, group_id: str) -> None:
        """From here on heartbeats of this group come up. When its members were heard stays to be asked for."""
    def forget_group(self, group_id: str) -> None:
        """Close a group that is gone."""
    def heard_ms(self, group_id: str, member_id: str) -> int:
        """When a reactor last answered a heartbeat of this member, by the clock of time.monotonic; -1: never."""
    def listen(self, fd: int, listener: int, host: str | None = None, port: int = 0) -> None:
        """Accept on this listening socket, which is taken over, once started.

        `listener` (0..15) comes back in `Request.listener`.  `host` and `port` are the advertised ones, told to clients
        where a hot answer names the leader; None: the address that they came to.
        """
    def start(self) -> None: ...
    def fileno(self) -> int:
        """Readable while `receive` has something to return."""
    def receive(self) -> list[Request | Event]:
        """All that has come up since the last call; never waits."""
    def reply(self, token: int, response: bytes | bytearray | memoryview | None, *, close: bool = False) -> None:
        """Answer the request that bore this token; a connection that is gone is not an error.

        `response` is the frame without its size field, None for no answer (acks=0).
        """
    def reply_later(self, token: int, response: bytes | bytearray | memoryview | None) -> None:
        """Answer with the next `flush_replies`, which wakes each reactor but once."""
    def flush_replies(self) -> None: ...
    def stop_listening(self) -> None: ...
    def quiesce(self) -> None:
        """Read no further requests, answer fetches that wait with what there is; what is in progress goes on."""
    def idle(self) -> bool:
        """Nothing is in progress and nothing waits to be sent."""
    def stop(self) -> None:
        """Close every connection and end the threads.  Waits for them, without the GIL."""
    def connection_count(self) -> int: ...
