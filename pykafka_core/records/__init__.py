"""Record batches (magic 2) as a library: decode, encode, check, compress and search them, without a broker.

    >>> from pykafka_core import records
    >>> batch = records.encode([records.Record(0, 1700000000000, b"key", b"value")], codec=records.Codec.ZSTD)
    >>> [(r.key, r.value) for r in records.iterate(batch)]
    [(b'key', b'value')]
    >>> records.decode(batch).timestamps
    array([1700000000000])

A *batch* argument is any buffer that begins with one batch; what lies behind it is ignored.  Where a function
decompresses, `size_max` bounds the bytes it will produce, whatever the compressed bytes claim.  numpy and the codecs'
libraries are imported when they are first needed.

    header.py    Codec, BatchHeader, Record; where batches begin and end
    codecs.py    compress and decompress, bounded
    columns.py   many records at once as numpy columns, both ways
    build.py     encode from records, recompress
    validate.py  the rules of the gate, for compressed batches too
    search.py    records by timestamp

Source: org.apache.kafka.common.record.DefaultRecordBatch and DefaultRecord, KIP-98.
"""

from pykafka_core.native import CorruptRecordError, InvalidRecordError, LimitError

from .build import encode, recompress
from .codecs import DECOMPRESSED_SIZE_MAX, compress, decompress
from .columns import BytesColumn, RecordColumns, decode, encode_columns
from .header import HEADER_SIZE, BatchHeader, Codec, Record, batches, check_stored, iterate, records_section
from .search import find_max_timestamp_in_batch, find_timestamp_in_batch
from .validate import BatchInfo, BatchRules, Fault, deep_validate, validate

__all__ = [
    "DECOMPRESSED_SIZE_MAX",
    "HEADER_SIZE",
    "BatchHeader",
    "BatchInfo",
    "BatchRules",
    "BytesColumn",
    "Codec",
    "CorruptRecordError",
    "Fault",
    "InvalidRecordError",
    "LimitError",
    "Record",
    "RecordColumns",
    "batches",
    "check_stored",
    "compress",
    "decode",
    "decompress",
    "deep_validate",
    "encode",
    "encode_columns",
    "find_max_timestamp_in_batch",
    "find_timestamp_in_batch",
    "iterate",
    "recompress",
    "records_section",
    "validate",
]
