"""XXH3, 64 bits, without seed: the hash by which Kafka notices that the topics of a group have changed.

The hash stands in ConsumerGroupMetadataValue, and a group whose hash is another than the one computed rebalances; with
this one a group goes on when it moves between Apache Kafka and this broker. It is computed once for each change of a
topic, so plain Python does.

Source: the XXH3 specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), KIP-1101.
"""

from __future__ import annotations

from struct import unpack_from
from typing import Final

__all__ = ["xxh3_64"]

MASK: Final = 0xFFFFFFFFFFFFFFFF
PRIME32_1: Final = 0x9E3779B1
PRIME32_2: Final = 0x85EBCA77
PRIME32_3: Final = 0xC2B2AE3D
PRIME64_1: Final = 0x9E3779B185EBCA87
PRIME64_2: Final = 0xC2B2AE3D27D4EB4F
PRIME64_3: Final = 0x165667B19E3779F9
PRIME64_4: Final = 0x85EBCA77C2B2AE63
PRIME64_5: Final = 0x27D4EB2F165667C5
PRIME_MX1: Final = 0x165667919E3779F9
PRIME_MX2: Final = 0x9FB21C651E98DF25

SECRET: Final = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e"
    "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a"
    "51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8f"
    "f8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
STRIPE_SIZE: Final = 64
LANES: Final = 8
STRIPES_PER_BLOCK: Final = (len(SECRET) - STRIPE_SIZE) // 8
MIDDLE_SIZE_MAX: Final = 240

_SECRET_WORDS: Final = tuple(
    unpack_from("<Q", SECRET, at)[0] if at + 8 <= len(SECRET) else 0 for at in range(len(SECRET))
)


def xxh3_64(data: bytes) -> int:
    """Return the hash, unsigned."""
    size = len(data)
    if size > MIDDLE_SIZE_MAX:
        return _long(data)
    if size > 128:
        return _of_129_to_240(data)
    if size > 16:
        return _of_17_to_128(data)
    if size > 8:
        low = _u64(data, 0) ^ _word(24) ^ _word(32)
        high = _u64(data, size - 8) ^ _word(40) ^ _word(48)
        return _avalanche((size + int.from_bytes(low.to_bytes(8, "little"), "big") + high + _fold(low, high)) & MASK)
    if size > 3:
        first, last = unpack_from("<I", data, 0)[0], unpack_from("<I", data, size - 4)[0]
        mixed = (last + (first << 32)) ^ _word(8) ^ _word(16)
        return _rrmxmx(mixed, size)
    if size:
        combined = data[0] << 16 | data[size >> 1] << 24 | data[size - 1] | size << 8
        flip = unpack_from("<I", SECRET, 0)[0] ^ unpack_from("<I", SECRET, 4)[0]
        return _xxh64_avalanche(combined ^ flip)
    return _xxh64_avalanche(_word(56) ^ _word(64))


def _word(at: int) -> int:
    return _SECRET_WORDS[at]


def _u64(data: bytes, at: int) -> int:
    word: int = unpack_from("<Q", data, at)[0]
    return word


def _fold(left: int, right: int) -> int:
    product = left * right
    return (product ^ product >> 64) & MASK


def _avalanche(value: int) -> int:
    value ^= value >> 37
    value = value * PRIME_MX1 & MASK
    return value ^ value >> 32


def _xxh64_avalanche(value: int) -> int:
    value ^= value >> 33
    value = value * PRIME64_2 & MASK
    value ^= value >> 29
    value = value * PRIME64_3 & MASK
    return value ^ value >> 32


def _rotate(value: int, count: int) -> int:
    return (value << count | value >> (64 - count)) & MASK


def _rrmxmx(value: int, size: int) -> int:
    value ^= _rotate(value, 49) ^ _rotate(value, 24)
    value = value * PRIME_MX2 & MASK
    value ^= (value >> 35) + size
    value = value * PRIME_MX2 & MASK
    return value ^ value >> 28


def _mix(data: bytes, at: int, secret_at: int) -> int:
    return _fold(_u64(data, at) ^ _word(secret_at), _u64(data, at + 8) ^ _word(secret_at + 8))


def _of_17_to_128(data: bytes) -> int:
    size = len(data)
    total = size * PRIME64_1
    for step in range((size - 1) // 32, -1, -1):
        total += _mix(data, 16 * step, 32 * step)
        total += _mix(data, size - 16 * (step + 1), 32 * step + 16)
    return _avalanche(total & MASK)


def _of_129_to_240(data: bytes) -> int:
    size = len(data)
    total = size * PRIME64_1
    for step in range(8):
        total += _mix(data, 16 * step, 16 * step)
    total = _avalanche(total & MASK)
    for step in range(8, size // 16):
        total += _mix(data, 16 * step, 16 * (step - 8) + 3)
    total += _mix(data, size - 16, 136 - 17)
    return _avalanche(total & MASK)


def _long(data: bytes) -> int:
    lanes = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1]
    stripes = (len(data) - 1) // STRIPE_SIZE
    for stripe in range(stripes):
        within = stripe % STRIPES_PER_BLOCK
        _accumulate(lanes, data, stripe * STRIPE_SIZE, within * 8)
        if within == STRIPES_PER_BLOCK - 1:
            _scramble(lanes)
    _accumulate(lanes, data, len(data) - STRIPE_SIZE, len(SECRET) - STRIPE_SIZE - 7)
    total = len(data) * PRIME64_1
    for pair in range(4):
        at = 11 + 16 * pair
        total += _fold(lanes[2 * pair] ^ _word(at), lanes[2 * pair + 1] ^ _word(at + 8))
    return _avalanche(total & MASK)


def _accumulate(lanes: list[int], data: bytes, at: int, secret_at: int) -> None:
    words = unpack_from("<8Q", data, at)
    for lane in range(LANES):
        word = words[lane]
        keyed = word ^ _SECRET_WORDS[secret_at + 8 * lane]
        lanes[lane ^ 1] = (lanes[lane ^ 1] + word) & MASK
        lanes[lane] = (lanes[lane] + (keyed & 0xFFFFFFFF) * (keyed >> 32)) & MASK


def _scramble(lanes: list[int]) -> None:
    for lane in range(LANES):
        value = lanes[lane]
        value ^= value >> 47
        value ^= _SECRET_WORDS[len(SECRET) - STRIPE_SIZE + 8 * lane]
        lanes[lane] = value * PRIME32_1 & MASK
