"""What can go wrong with metadata.

MetadataError                 the broker cannot go on with this metadata; the text is one sentence for the operator
  DirectoryError              a log directory that is not ours, is in use, or cannot be read
  UnsupportedMetadataError    a record type, version or feature level that this broker does not know
  CorruptMetadataError        bytes in a metadata file that Kafka would not have written
RevisionConflictError         the image moved on since the caller looked; look again and retry
"""

from __future__ import annotations

__all__ = [
    "CorruptMetadataError",
    "DirectoryError",
    "FormatError",
    "MetadataError",
    "RevisionConflictError",
    "UnsupportedMetadataError",
    "UnusableDirectoryError",
]


class MetadataError(Exception):
    """Metadata that the broker cannot go on with."""


class DirectoryError(MetadataError):
    """A log directory belongs to someone else, is in use, or cannot be read or written."""


class UnusableDirectoryError(DirectoryError):
    """The system does not let us use a log directory; others may do."""


class FormatError(MetadataError):
    """Log directories cannot be formatted as asked for."""


class UnsupportedMetadataError(MetadataError):
    """Metadata written by a Kafka that knows more than we do, or in a shape that one broker cannot serve."""


class CorruptMetadataError(MetadataError):
    """A metadata file is damaged."""


class RevisionConflictError(Exception):
    """A commit asked for a revision that is no longer the current one."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"metadata is at revision {actual}, not {expected}")
        self.expected = expected
        self.actual = actual
