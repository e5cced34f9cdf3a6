"""The APIs of Kafka: which versions exist, since when they are flexible, and the classes of their messages.

What a broker *serves* is not said here but by its handlers; this is what can be read and written.
"""

from __future__ import annotations

from pykafka_core.protocol.api_keys import API_ROWS, ApiKey
from pykafka_core.protocol.exceptions import UnsupportedVersionError
from pykafka_core.protocol.message import Message

TYPE_CHECKING = False  # as type checkers read it; importing typing costs more than all of this package
if TYPE_CHECKING:
    from typing import Final

__all__ = ["APIS", "Api", "ApiKey", "request_class", "response_class"]


class Api:
    """One API. A broker advertises at most `version_max_stable`, though `version_max` has a definition too."""

    __slots__ = (
        "flexible_version_min",
        "key",
        "latest_version_unstable",
        "listeners",
        "module",
        "name",
        "request_class",
        "response_class",
        "version_max",
        "version_min",
    )

    def __init__(
        self,
        key: int,
        name: str,
        version_min: int,
        version_max: int,
        flexible_version_min: int | None,
        latest_version_unstable: bool,
        listeners: tuple[str, ...],
    ) -> None:
        self.key = ApiKey(key)
        self.name = name
        self.version_min = version_min
        self.version_max = version_max
        self.flexible_version_min = flexible_version_min
        self.latest_version_unstable = latest_version_unstable
        self.listeners = listeners
        self.module = f"pykafka_core.protocol.messages.{self.key.name.lower()}"
        self.request_class: type[Message] | None = None
        self.response_class: type[Message] | None = None

    def __repr__(self) -> str:
        return f"<Api {self.key.value} {self.name} {self.version_min}-{self.version_max}>"

    @property
    def version_max_stable(self) -> int:
        return self.version_max - self.latest_version_unstable

    def is_flexible(self, version: int) -> bool:
        return self.flexible_version_min is not None and version >= self.flexible_version_min

    def request_header_version(self, version: int) -> int:
        return 2 if self.is_flexible(version) else 1

    def response_header_version(self, version: int) -> int:
        # A client that asks for a version we lack must still read the answer: this header never becomes flexible.
        return 1 if self.is_flexible(version) and self.key is not ApiKey.API_VERSIONS else 0


APIS: Final[dict[int, Api]] = {row[0]: Api(*row) for row in API_ROWS}
"""Every API by its key. An ApiKey is an int and can be used as one."""


def api_of(key: int) -> Api:
    api = APIS.get(key)
    if api is None:
        raise UnsupportedVersionError(f"there is no API with the key {key}", value=key)
    return api


def load(module: str, name: str) -> type[Message]:
    from importlib import import_module  # costs more than this whole module, so not before it is needed

    found: type[Message] = getattr(import_module(module), name)
    return found


def request_class(key: int) -> type[Message]:
    """Return the request class of an API; its module is imported on first use."""
    api = api_of(key)
    if api.request_class is None:
        api.request_class = load(f"{api.module}_request", f"{api.name}Request")
    return api.request_class


def response_class(key: int) -> type[Message]:
    """Return the response class of an API; its module is imported on first use."""
    api = api_of(key)
    if api.response_class is None:
        api.response_class = load(f"{api.module}_response", f"{api.name}Response")
    return api.response_class
