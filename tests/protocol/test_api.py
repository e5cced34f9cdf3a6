"""Goal: the table of APIs is the one of Kafka 4.4, and the classes behind it are found."""

from __future__ import annotations

import pytest

from pykafka_core.protocol.api import APIS, ApiKey, request_class, response_class
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.exceptions import UnsupportedVersionError


def test_table_of_kafka_4_4() -> None:
    assert sorted(APIS) == [0, 1, 2, 3, *range(8, 95)]
    rows = {key: (api.version_min, api.version_max_stable, api.flexible_version_min) for key, api in APIS.items()}
    assert rows[ApiKey.PRODUCE] == (3, 13, 9)
    assert rows[ApiKey.FETCH] == (4, 18, 12)
    assert rows[ApiKey.SASL_HANDSHAKE] == (0, 1, None)
    assert rows[ApiKey.API_VERSIONS] == (0, 5, 3)
    assert rows[ApiKey.INIT_PRODUCER_ID] == (0, 5, 2)
    assert rows[ApiKey.WRITE_TXN_MARKERS] == (1, 2, 1)
    assert rows[ApiKey.UNREGISTER_CONTROLLER] == (0, 0, 0)


def test_unstable_versions_are_known_but_not_stable() -> None:
    unstable = [api for api in APIS.values() if api.latest_version_unstable]
    assert [(api.name, api.version_max, api.version_max_stable) for api in unstable] == [("InitProducerId", 6, 5)]


def test_controller_only_apis_do_not_name_the_broker_listener() -> None:
    without = {key for key, api in APIS.items() if "broker" not in api.listeners}
    assert without == {52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82}


def test_classes_are_found_by_key() -> None:
    for key, api in APIS.items():
        for cls, kind in ((request_class(key), "Request"), (response_class(key), "Response")):
            assert cls.__name__ == api.name + kind
            assert (key, api.version_min, api.version_max) == (cls.API_KEY, cls.VERSION_MIN, cls.VERSION_MAX)
    assert request_class(ApiKey.FETCH) is request_class(1)


def test_unknown_key_is_refused() -> None:
    for find in (request_class, response_class):
        with pytest.raises(UnsupportedVersionError, match="no API with the key 4"):
            find(4)


def test_header_versions() -> None:
    metadata, handshake, api_versions = APIS[3], APIS[17], APIS[18]
    assert [metadata.request_header_version(version) for version in (8, 9)] == [1, 2]
    assert [metadata.response_header_version(version) for version in (8, 9)] == [0, 1]
    assert (handshake.request_header_version(1), handshake.response_header_version(1)) == (1, 0)
    assert (api_versions.request_header_version(3), api_versions.response_header_version(3)) == (2, 0)


def test_error_codes() -> None:
    assert ErrorCode(0) is ErrorCode.NONE
    assert ErrorCode.NOT_LEADER_OR_FOLLOWER.retriable
    assert not ErrorCode.MESSAGE_TOO_LARGE.retriable
    assert ErrorCode.UNKNOWN_TOPIC_OR_PARTITION == 3
    assert len(ErrorCode) == 138
    assert sorted(ErrorCode) == list(range(-1, 137))
    assert all(code.meaning for code in ErrorCode)


def test_unknown_error_code_is_an_unknown_server_error() -> None:
    assert ErrorCode(9999) is ErrorCode.UNKNOWN_SERVER_ERROR
    with pytest.raises(ValueError, match="is not a valid"):
        ErrorCode("NONE")
