"""Records for hypothesis: all the shapes that the format has, mostly small."""

from __future__ import annotations

from hypothesis import strategies as st

from pykafka_core.records import Record

NOW = 1_700_000_000_000

payloads = st.none() | st.binary(max_size=30) | st.binary(min_size=60, max_size=300)
headers = st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=10)), max_size=4).map(tuple)
timestamps = st.integers(NOW - 100, NOW + 100) | st.integers(0, 2**41) | st.just(-1)
rows = st.lists(st.tuples(timestamps, payloads, payloads, headers), min_size=1, max_size=20)


def records_from(
    rows: list[tuple[int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]],
) -> list[Record]:
    return [Record(offset, *row) for offset, row in enumerate(rows)]


records = rows.map(records_from)
