from collections.abc import Callable, Sequence
from typing import NamedTuple, Self, final

class Latency(NamedTuple):
    """Records, bytes of their values, and how long they took from being made to being acknowledged."""

    records: int
    bytes: int
    total_ms: int
    max_ms: int

class FetchCounters(NamedTuple):
    records: int
    bytes: int
    """Of keys and values."""
    requests: int
    last_records_us: int
    """Monotonic; -1: none came yet."""

@final
class ProduceLoad:
    """Makes records and produces them. One thread at a time may use it; `run` gives the GIL back.

    `addresses`: (host, port) of each connection; `partitions`: (partition, number of its connection). `payload`: a size
    for random letters, a list of values to choose from, None for a counter. `compress`: codec and section to section.
    Raises ConnectionError, InvalidRecordError for settings that cannot be.
    """

    def __new__(
        cls,
        addresses: Sequence[tuple[str, int]],
        partitions: Sequence[tuple[int, int]],
        *,
        topic: bytes,
        client_id: bytes,
        transactional_id: bytes | None,
        record_count: int,
        warmup_count: int,
        producer_id: int,
        producer_epoch: int,
        linger_us: int,
        records_per_second: float,
        seed: int,
        batch_size_bytes: int,
        buffer_size_bytes: int,
        payload: int | Sequence[bytes] | None,
        in_flight_max: int,
        request_timeout_ms: int,
        acks: int,
        codec: int,
        compress: Callable[[int, bytes], bytes] | None,
        connect_timeout_ms: int,
    ) -> Self: ...
    def run(self, milliseconds: int, *, drain: bool = False) -> bool:
        """Go on for so long; True when all is answered. `drain`: end what is begun and make nothing new. Raises
        ConnectionError, CorruptRecordError, and what `compress` raised."""
    def take_window(self) -> Latency:
        """Since it was last asked for."""
    def percentile(self, part: float, *, steady: bool = False) -> int: ...
    @property
    def made(self) -> int: ...
    @property
    def failed(self) -> tuple[int, int]:
        """Records that were refused, and the last error code."""
    @property
    def total(self) -> Latency: ...
    @property
    def steady(self) -> Latency:
        """Without the first `warmup_count` records."""

@final
class FetchLoad:
    """Fetches records and counts them. One thread at a time may use it; `run` gives the GIL back.

    `places`: (topic, partition, offset, number of its connection). `decompress`: codec and section to section.
    """

    def __new__(
        cls,
        addresses: Sequence[tuple[str, int]],
        places: Sequence[tuple[bytes, int, int, int]],
        *,
        client_id: bytes,
        record_count: int,
        wait_ms: int,
        size_min_bytes: int,
        size_max_bytes: int,
        partition_size_max_bytes: int,
        request_timeout_ms: int,
        check_crcs: bool,
        read_committed: bool,
        decompress: Callable[[int, bytes], bytes] | None,
        connect_timeout_ms: int,
    ) -> Self: ...
    def run(self, milliseconds: int) -> bool | None:
        """Go on for so long; True when `record_count` records were read, None when the broker refused something: see
        `refusal`. Raises ConnectionError, CorruptRecordError, and what `decompress` raised."""
    def offset(self, place: int) -> int:
        """The next offset to read."""
    def seek(self, place: int, offset: int) -> None: ...
    @property
    def refusal(self) -> tuple[int, int]:
        """Error code and number of the place, -1 for the whole request."""
    @property
    def counters(self) -> FetchCounters: ...
