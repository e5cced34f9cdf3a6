"""The APIs that this broker serves: which, in which versions, and who answers.

`SERVED` is what ApiVersions tells clients. A handler's module is imported at its first request, so that starting does
not pay for APIs that nobody has asked for; the handler registers itself with `serves`, which refuses a range other
than the one in the table.

Produce, Fetch and ListOffsets are answered by the reactors; of those only what they hand up comes here.
"""

from __future__ import annotations

from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Final, TypeVar

    Answer = Message | None
    Handle = Callable[..., Answer | Awaitable[Answer]]
    H = TypeVar("H", bound=Handle)

__all__ = ["SERVED", "Handler", "RequestContext", "find_handler", "serves"]

SERVED: Final[dict[int, tuple[int, int]]] = {
    ApiKey.PRODUCE: (3, 13),
    ApiKey.FETCH: (4, 18),
    ApiKey.LIST_OFFSETS: (1, 11),
    ApiKey.METADATA: (0, 13),
    ApiKey.OFFSET_COMMIT: (2, 10),
    ApiKey.OFFSET_FETCH: (1, 10),
    ApiKey.FIND_COORDINATOR: (0, 6),
    ApiKey.JOIN_GROUP: (0, 9),
    ApiKey.HEARTBEAT: (0, 4),
    ApiKey.LEAVE_GROUP: (0, 5),
    ApiKey.SYNC_GROUP: (0, 5),
    ApiKey.DESCRIBE_GROUPS: (0, 6),
    ApiKey.LIST_GROUPS: (0, 5),
    ApiKey.API_VERSIONS: (0, 5),
    ApiKey.CREATE_TOPICS: (2, 7),
    ApiKey.DELETE_TOPICS: (1, 6),
    ApiKey.DELETE_RECORDS: (0, 2),
    ApiKey.INIT_PRODUCER_ID: (0, 5),
    ApiKey.OFFSET_FOR_LEADER_EPOCH: (2, 4),
    ApiKey.ADD_PARTITIONS_TO_TXN: (0, 5),
    ApiKey.ADD_OFFSETS_TO_TXN: (0, 4),
    ApiKey.END_TXN: (0, 5),
    ApiKey.WRITE_TXN_MARKERS: (1, 2),
    ApiKey.TXN_OFFSET_COMMIT: (0, 6),
    ApiKey.DESCRIBE_CONFIGS: (1, 4),
    ApiKey.ALTER_CONFIGS: (0, 2),
    ApiKey.ALTER_REPLICA_LOG_DIRS: (1, 2),
    ApiKey.DESCRIBE_LOG_DIRS: (1, 5),
    ApiKey.CREATE_PARTITIONS: (0, 3),
    ApiKey.DELETE_GROUPS: (0, 3),
    ApiKey.ELECT_LEADERS: (0, 2),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: (0, 1),
    ApiKey.ALTER_PARTITION_REASSIGNMENTS: (0, 1),
    ApiKey.LIST_PARTITION_REASSIGNMENTS: (0, 0),
    ApiKey.OFFSET_DELETE: (0, 0),
    ApiKey.DESCRIBE_CLIENT_QUOTAS: (0, 1),
    ApiKey.ALTER_CLIENT_QUOTAS: (0, 1),
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: (0, 0),
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: (0, 0),
    ApiKey.DESCRIBE_QUORUM: (0, 2),
    ApiKey.UPDATE_FEATURES: (0, 2),
    ApiKey.DESCRIBE_CLUSTER: (0, 2),
    ApiKey.DESCRIBE_PRODUCERS: (0, 0),
    ApiKey.UNREGISTER_BROKER: (0, 0),
    ApiKey.DESCRIBE_TRANSACTIONS: (0, 0),
    ApiKey.LIST_TRANSACTIONS: (0, 2),
    ApiKey.LIST_CONFIG_RESOURCES: (0, 1),
    ApiKey.CONSUMER_GROUP_HEARTBEAT: (0, 1),
    ApiKey.CONSUMER_GROUP_DESCRIBE: (0, 1),
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: (0, 0),
}

# Answered by the reactors alone: there is nothing in it that only Python could settle.
WITHOUT_HANDLER: Final = frozenset({ApiKey.FETCH})

class RequestContext:
    """What a handler may know about a request besides its body."""

    __slots__ = ("api_key", "api_version", "client_id", "listener", "local", "peer")

    def __init__(
        self, *, api_key: int, api_version: int, client_id: str | None, listener: int, peer: str, local: str
    ) -> None:
        self.api_key = api_key
        self.api_version = api_version
        self.client_id = client_id
        self.listener = listener
        """Index of the listener that the client came through."""
        self.peer = peer
        """The client's address, "host:port"."""
        self.local = local
        """The address that the client connected to, "host:port"."""


class Handler:
    """A function that answers one API, and the names of the ports that it asks for by its keyword-only parameters."""

    __slots__ = ("handle", "ports")

    def __init__(self, handle: Handle) -> None:
        code: Any = handle.__code__
        self.handle = handle
        self.ports: tuple[str, ...] = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


_HANDLERS: Final[dict[int, Handler]] = {}


def serves(key: ApiKey, version_min: int, version_max: int) -> Callable[[H], H]:
    """Register a handler: `handle(request, context, *, port, ...)`, a function or a coroutine function, returning the
    response.

    None means that the client expects no answer. Ports are the broker's parts by name; see dispatch.py.
    """
    if SERVED.get(key) != (version_min, version_max):
        raise AssertionError(
            f"{key.name} is advertised as {SERVED.get(key)}, its handler serves {(version_min, version_max)}"
        )

    def register(handle: H) -> H:
        _HANDLERS[key] = Handler(handle)
        return handle

    return register


def find_handler(key: int) -> Handler | None:
    """Return the handler of an API that is served; import it if this is its first request."""
    handler = _HANDLERS.get(key)
    if handler is None and key in SERVED and key not in WITHOUT_HANDLER:
        # Not by importlib, which a start does without.
        __import__(f"{__name__}.{ApiKey(key).name.lower()}")
        handler = _HANDLERS[key]
    return handler
