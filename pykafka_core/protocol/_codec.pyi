from typing import TypeVar

from pykafka_core.protocol.message import Message

M = TypeVar("M", bound=Message)

def decode(cls: type[M], version: int, data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[M, int]: ...
def encode(message: Message, version: int, prefix: bytes = b"", sized: bool = False) -> bytes: ...
