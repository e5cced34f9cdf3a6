from typing import TypeVar

from pykafka_core.protocol.message import Message

_M = TypeVar("_M", bound=Message)

def decode(cls: type[_M], version: int, data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[_M, int]: ...
def encode(message: Message, version: int, prefix: bytes = b"", sized: bool = False) -> bytes: ...
