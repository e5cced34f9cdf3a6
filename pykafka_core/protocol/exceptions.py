"""Errors of the protocol package.

ValueError
    ProtocolError                 bytes that are no such message, or a value that the message cannot carry
        UnsupportedVersionError   an API key or version that has no definition; carries the header that was read
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers read it; importing typing costs more than all of this package
if TYPE_CHECKING:
    from typing import Any

    from pykafka_core.protocol.framing import Header

__all__ = ["ProtocolError", "UnsupportedVersionError"]


class ProtocolError(ValueError):
    """A message cannot be read or written.

    `message` is its class and version ("MetadataRequest v9"), `field` the path to the field ("topics[2].name"), `value`
    what was found and `limit` what would have been allowed; any of them is None where it does not apply.
    """

    def __init__(
        self, text: str, *, message: str | None = None, field: str | None = None, value: Any = None, limit: Any = None
    ) -> None:
        place = f"{message}: " if message else ""
        super().__init__(f"{place}{field}: {text}" if field else f"{place}{text}")
        self.message = message
        self.field = field
        self.value = value
        self.limit = limit


class UnsupportedVersionError(ProtocolError):
    """The API key or version of a request has no definition here. `header` is what could be read of the request."""

    def __init__(self, text: str, *, header: Header | None = None, value: Any = None, limit: Any = None) -> None:
        super().__init__(text, value=value, limit=limit)
        self.header = header
