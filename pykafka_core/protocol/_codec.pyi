from typing import TypeVar, final

from pykafka_core.protocol.message import Message, Struct

_M = TypeVar("_M", bound=Message)

@final
class Encoded:
    """A struct as it is written in one version. It may stand in a message in place of that struct."""

    @property
    def data(self) -> bytes: ...

def decode(cls: type[_M], version: int, data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[_M, int]: ...
def encode(message: Message, version: int, prefix: bytes = b"", sized: bool = False) -> bytes: ...
def encode_struct(cls: type[Message], version: int, struct: Struct) -> Encoded: ...
