from __future__ import annotations

import pytest

from pykafka_core.client.consumer import ConsumerSettings
from pykafka_core.client.producer import ProducerSettings
from pykafka_core.client.settings import ClientSettings, SettingsError, parse_addresses


def test_addresses() -> None:
    assert parse_addresses("a:1, b:2,") == [("a", 1), ("b", 2)]
    assert parse_addresses("[::1]:9092") == [("::1", 9092)]
    assert parse_addresses("PLAINTEXT://a:1") == [("a", 1)]


@pytest.mark.parametrize("text", ["", "a", "a:", ":1", "a:b", "a:0", "a:65536"])
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_addresses(text)


@pytest.mark.parametrize(
    "properties",
    [
        {"security.protocol": "SSL"},
        {"sasl.jaas.config": "x"},
        {"request.timeout.ms": "x"},
        {"request.timeout.ms": "-1"},
    ],
)
def test_client_settings_that_cannot_be_used(properties: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(properties))):
        ClientSettings.load(properties)


def test_settings_of_other_programs_are_left_alone() -> None:
    loaded = ClientSettings.load({"client.id": "me", "group.id": "g", "security.protocol": "plaintext"})
    assert loaded.client_id == "me"


@pytest.mark.parametrize(
    "properties",
    [
        {"acks": "2"},
        {"compression.type": "rar"},
        {"acks": "1", "enable.idempotence": "true"},
        {"transactional.id": "t"},
    ],
)
def test_producer_settings_that_cannot_be_used(properties: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        ProducerSettings.load(properties)


def test_idempotence_is_the_default_where_acks_allow_it() -> None:
    assert ProducerSettings.load({}).idempotent
    assert not ProducerSettings.load({"acks": "1"}).idempotent
    assert not ProducerSettings.load({"enable.idempotence": "false"}).idempotent


@pytest.mark.parametrize("properties", [{"auto.offset.reset": "middle"}, {"isolation.level": "strict"}])
def test_consumer_settings_that_cannot_be_used(properties: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        ConsumerSettings.load(properties)
