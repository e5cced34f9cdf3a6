"""ListConfigResources: every topic, this broker and its loggers; groups and client metrics once they have a config."""

import pytest

from pykafka_core.metadata.changes import alter_configs
from pykafka_core.protocol.messages.list_config_resources_request import ListConfigResourcesRequest
from tests.broker.fakes import FakeStore, ask, fake_cluster
from tests.broker.raw_client import create_topic

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32


def listed(answer):
    assert answer.error_code == 0
    return [(each.resource_type, each.resource_name) for each in answer.config_resources]


def test_topics_and_brokers(client, name):
    create_topic(client, name)
    found = listed(client.call(ListConfigResourcesRequest(), 1))
    assert (TOPIC, name) in found
    assert (BROKER, "1") in found
    assert (BROKER_LOGGER, "1") in found
    assert listed(client.call(ListConfigResourcesRequest(resource_types=[BROKER, BROKER]), 1)) == [(BROKER, "1")]


async def test_groups_and_client_metrics():
    store = FakeStore()
    await store.commit(
        [
            *alter_configs(CLIENT_METRICS, "m", {"interval.ms": "1000"}),
            *alter_configs(GROUP, "g", {"consumer.session.timeout.ms": "50000"}),
        ]
    )
    ports = {"store": store, "cluster": fake_cluster()}
    everything = [(GROUP, "g"), (CLIENT_METRICS, "m"), (BROKER_LOGGER, "1"), (BROKER, "1")]
    assert listed(await ask(ports, ListConfigResourcesRequest(), 1)) == everything
    assert listed(await ask(ports, ListConfigResourcesRequest(resource_types=[GROUP]), 1)) == [(GROUP, "g")]
    answer = await ask(ports, ListConfigResourcesRequest(), 0)
    assert [each.resource_name for each in answer.config_resources] == ["m"]


@pytest.mark.parametrize("kind", [0, 1, 3, 64, 99, -1])
def test_what_has_no_configs(client, kind):
    answer = client.call(ListConfigResourcesRequest(resource_types=[TOPIC, kind]), 1)
    assert (answer.error_code, answer.config_resources) == (35, [])
