"""Goal: each request and response has the right header, and a broken or unknown one still tells who asked what."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from pykafka_core.protocol.api import APIS, ApiKey, request_class, response_class
from pykafka_core.protocol.exceptions import ProtocolError, UnsupportedVersionError
from pykafka_core.protocol.framing import (
    decode_header,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.protocol.messages.api_versions_response import ApiVersionsResponse
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.protocol.messages.metadata_response import MetadataResponse
from pykafka_core.protocol.messages.sasl_handshake_request import SaslHandshakeRequest


def test_every_request_and_response_frames_in_every_version() -> None:
    for key, api in APIS.items():
        for version in range(api.version_min, api.version_max + 1):
            frame = encode_request(key, version, -5, "cli-é", request_class(key)())
            request = decode_request(frame)
            assert (request.api_key, request.api_version, request.correlation_id) == (key, version, -5)
            assert (request.client_id, request.body) == ("cli-é", request_class(key)())
            assert request.api_key is ApiKey(key)
            response = encode_response(key, version, 77, response_class(key)())
            assert decode_response(key, version, response) == (77, response_class(key)())


@pytest.mark.parametrize(
    ("key", "version", "body", "text"),
    [
        (3, 1, MetadataRequest(topics=None), "0003 0001 00000009 0001 63 ffffffff"),
        (3, 9, MetadataRequest(topics=None), "0003 0009 00000009 0001 63 00 00 01 00 00 00"),
        (17, 1, SaslHandshakeRequest(mechanism="PLAIN"), "0011 0001 00000009 0001 63 0005 504c41494e"),
        (18, 3, ApiVersionsRequest(client_software_name="a"), "0012 0003 00000009 0001 63 00 02 61 01 00"),
    ],
)
def test_golden_requests(key: int, version: int, body: Any, text: str) -> None:
    frame = bytes.fromhex(text)
    assert encode_request(key, version, 9, "c", body) == frame
    assert encode_request(key, version, 9, "c", body, with_length=True) == len(frame).to_bytes(4, "big") + frame
    assert decode_request(frame).body == body
    assert decode_request(memoryview(frame)).client_id == "c"


def test_response_header_is_flexible_when_the_api_is() -> None:
    empty = MetadataResponse(brokers=[], topics=[])
    assert encode_response(3, 8, 9, empty)[:8] == bytes.fromhex("00000009 00000000")
    assert encode_response(3, 9, 9, empty)[:9] == bytes.fromhex("00000009 00 00000000")


def test_answer_to_api_versions_never_has_a_flexible_header() -> None:
    for version in (0, 3, 5):
        assert encode_response(18, version, 9, ApiVersionsResponse(error_code=35))[:6] == bytes.fromhex("00000009 0023")


def test_length_counts_what_follows_it() -> None:
    bare = encode_response(18, 0, 9, ApiVersionsResponse())
    assert encode_response(18, 0, 9, ApiVersionsResponse(), with_length=True) == len(bare).to_bytes(4, "big") + bare


def test_null_client_id() -> None:
    frame = encode_request(ApiKey.METADATA, 9, 1, None, MetadataRequest())
    assert frame[8:10] == b"\xff\xff"
    assert decode_request(frame).client_id is None


def test_tags_in_a_request_header_are_skipped() -> None:
    frame = bytes.fromhex("0003 0009 00000009 0001 63 01 05 02 abcd 00 01 00 00 00")
    assert decode_request(frame).body == MetadataRequest(topics=None)


def test_bytes_behind_the_body_are_ignored() -> None:
    frame = encode_request(3, 9, 1, None, MetadataRequest())
    assert decode_request(frame + b"more").body == MetadataRequest()


def test_header_alone_says_where_the_body_starts() -> None:
    frame = encode_request(3, 9, 4, "client", MetadataRequest())
    header = decode_header(frame)
    assert (header.api_key, header.api_version, header.correlation_id, header.client_id) == (3, 9, 4, "client")
    assert header.body_offset == 2 + 2 + 4 + 2 + 6 + 1


def test_too_new_api_versions_request_tells_its_header() -> None:
    # The body and the tag block of a version from the future must not be read.
    frame = bytes.fromhex("0012 0063 00000007 0003 6b6361 ff ff ff")
    header = decode_header(frame)
    assert (header.api_key, header.api_version, header.correlation_id) == (ApiKey.API_VERSIONS, 99, 7)
    assert (header.client_id, header.body_offset) == ("kca", None)
    with pytest.raises(UnsupportedVersionError, match="ApiVersions has no version 99, only 0 to 5") as caught:
        decode_request(frame)
    assert caught.value.header is not None
    assert caught.value.header.correlation_id == 7
    assert (caught.value.value, caught.value.limit) == (99, (0, 5))


@pytest.mark.parametrize("key", [-1, 4, 5, 6, 7, 95, 32767])
def test_unknown_api_key_tells_its_header(key: int) -> None:
    frame = key.to_bytes(2, "big", signed=True) + bytes.fromhex("0000 00000007 ffff")
    assert decode_header(frame).api_key == key
    with pytest.raises(UnsupportedVersionError, match=f"no API with the key {key}") as caught:
        decode_request(frame)
    assert caught.value.header is not None
    assert caught.value.header.correlation_id == 7


@pytest.mark.parametrize("version", [-1, 2, 14])
def test_version_outside_of_the_range_is_refused(version: int) -> None:
    frame = b"\x00\x00" + version.to_bytes(2, "big", signed=True) + bytes.fromhex("00000007 ffff")
    with pytest.raises(UnsupportedVersionError, match="only 3 to 13"):
        decode_request(frame)


def test_short_frames_are_refused() -> None:
    frame = encode_request(3, 9, 1, "client", MetadataRequest())
    for size in range(len(frame)):
        with pytest.raises(ProtocolError):
            decode_request(frame[:size])


def test_response_of_an_unknown_api_cannot_be_written() -> None:
    with pytest.raises(UnsupportedVersionError):
        encode_response(4, 0, 1, ApiVersionsResponse())


def test_only_the_messages_that_are_used_are_imported() -> None:
    code = (
        "import sys; import pykafka_core.protocol.framing as framing\n"
        "def loaded(): return {m.rpartition('.')[2] for m in sys.modules if '.protocol.messages.' in m}\n"
        "assert loaded() == {'request_header', 'response_header'}, loaded()\n"
        "heavy = {'typing', 'dataclasses', 'asyncio', 'importlib', 're'} & (set(sys.modules) - before)\n"
        "assert not heavy, heavy\n"
        "framing.decode_request(bytes.fromhex('0003000100000009ffffffffffff'))\n"
        "assert loaded() == {'request_header', 'response_header', 'metadata_request'}, loaded()\n"
    )
    # What the interpreter and the C extension's own start-up bring along does not count.
    code = "import sys, enum, struct, collections; before = set(sys.modules)\n" + code
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-S", "-c", code], check=True, timeout=60, env=environment)
