"""AlterClientQuotas and DescribeClientQuotas: what is kept comes back, through every filter and after a restart; what
Apache Kafka 4.3.1 refuses is refused in its words.

Method: a running broker, asked over a socket. The sentences were recorded from Apache Kafka.
"""

import pytest

from pykafka_core.protocol.messages import alter_client_quotas_request as alter
from pykafka_core.protocol.messages import describe_client_quotas_request as describe
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient

EXACT, DEFAULT, ANY = range(3)
P, C, R = "producer_byte_rate", "consumer_byte_rate", "connection_creation_rate"


def change(client, entity, *, validate_only=False, version=1, **values):
    ops = [alter.OpData(key=key, value=value or 0.0, remove=value is None) for key, value in values.items()]
    parts = [alter.EntityData(entity_type=kind, entity_name=name) for kind, name in entity]
    request = alter.AlterClientQuotasRequest(
        entries=[alter.EntryData(entity=parts, ops=ops)], validate_only=validate_only
    )
    (entry,) = client.call(request, version).entries
    return entry.error_code, entry.error_message


def quotas(client, *components, strict=False, version=1):
    wanted = [describe.ComponentData(entity_type=kind, match_type=how, match=name) for kind, how, name in components]
    answer = client.call(describe.DescribeClientQuotasRequest(components=wanted, strict=strict), version)
    assert (answer.error_code, answer.error_message) == (0, None)
    return {
        tuple((part.entity_type, part.entity_name) for part in entry.entity): {v.key: v.value for v in entry.values}
        for entry in answer.entries
    }


ALICE, ALICE_C, USERS = (("user", "alice"),), (("client-id", "c"), ("user", "alice")), (("user", None),)
X, HOST, HOSTS = (("client-id", "x"),), (("ip", "1.2.3.4"),), (("ip", None),)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    directory = tmp_path_factory.mktemp("quotas")
    for _ in range(2):
        # The second life shows that all of it was in the log.
        with Broker(directory=directory) as running, RawClient(running.bootstrap) as connected:
            if not quotas(connected):
                assert change(connected, ALICE, **{P: 1024.0}) == (0, None)
                assert change(connected, reversed(ALICE_C), **{C: 2048.0, "request_percentage": 50.5}) == (0, None)
                assert change(connected, USERS, **{P: 1.0}, version=0) == (0, None)
                assert change(connected, X, controller_mutation_rate=2.5) == (0, None)
                assert change(connected, HOST, **{R: 3.0}) == (0, None)
                assert change(connected, HOSTS, **{R: 9.0}) == (0, None)
                continue
            yield connected


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("components", "strict", "expected"),
    [
        ([], False, {ALICE, ALICE_C, USERS, X, HOST, HOSTS}),
        ([], True, set()),
        ([("user", EXACT, "alice")], False, {ALICE, ALICE_C}),
        ([("user", EXACT, "alice")], True, {ALICE}),
        ([("user", DEFAULT, None)], False, {USERS}),
        ([("user", ANY, None)], False, {ALICE, ALICE_C, USERS}),
        ([("user", ANY, None)], True, {ALICE, USERS}),
        ([("user", EXACT, "alice"), ("client-id", EXACT, "c")], True, {ALICE_C}),
        ([("client-id", ANY, None)], False, {ALICE_C, X}),
        ([("ip", ANY, None)], True, {HOST, HOSTS}),
        ([("ip", EXACT, "1.2.3.4")], False, {HOST}),
        ([("ip", DEFAULT, None)], False, {HOSTS}),
        ([("user", EXACT, "")], False, set()),
    ],
)
def test_filters(own, components, strict, expected, version):
    assert set(quotas(own, *components, strict=strict, version=version)) == expected


def test_values_survive_a_restart(own):
    assert quotas(own)[ALICE_C] == {C: 2048.0, "request_percentage": 50.5}
    assert quotas(own)[HOSTS] == {R: 9.0}


@pytest.mark.parametrize(
    ("components", "code", "sentence"),
    [
        ([("user", EXACT, None)], 42, "Request specified MATCH_TYPE_EXACT, but set match string to null."),
        ([("user", DEFAULT, "x")], 42, "Request specified MATCH_TYPE_DEFAULT, but also specified a match string."),
        ([("user", 3, None)], 42, "Unknown match type 3"),
        ([("foo", ANY, None)], 35, "Unsupported entity type foo"),
        ([("", ANY, None)], 42, "Invalid empty entity type."),
        ([("user", ANY, None)] * 2, 42, "Entity type user cannot appear more than once in the filter."),
        (
            [("ip", ANY, None), ("user", ANY, None)],
            42,
            "Invalid entity filter component combination. "
            "IP filter component should not be used with user or clientId filter component.",
        ),
    ],
)
def test_filters_that_make_no_sense(client, components, code, sentence):
    wanted = [describe.ComponentData(entity_type=kind, match_type=how, match=name) for kind, how, name in components]
    answer = client.call(describe.DescribeClientQuotasRequest(components=wanted), 1)
    assert (answer.error_code, answer.error_message, answer.entries) == (code, sentence, None)


@pytest.mark.parametrize(
    ("entity", "values", "sentence"),
    [
        ((), {P: 1.0}, "Invalid empty client quota entity"),
        ((("foo", "x"),), {P: 1.0}, "Unhandled client quota entity type: foo"),
        ((("user", ""),), {P: 1.0}, "Empty user not supported"),
        ((("ip", "x y"),), {R: 1.0}, "x y is not a valid IP or resolvable host."),
        (
            (("ip", "1.2.3.4"), ("user", "a")),
            {R: 1.0},
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        ),
        (HOST, {P: 1.0}, "Invalid configuration key producer_byte_rate"),
        (HOST, {R: 1.5}, "connection_creation_rate cannot be a fractional value."),
        (HOST, {R: 3e9}, "Proposed value for connection_creation_rate is too large for a INT."),
        (ALICE, {R: 1.0}, "Invalid configuration key connection_creation_rate"),
        (ALICE, {"foo": 1.0}, "Invalid configuration key foo"),
        (ALICE, {P: -1.0}, "Quota producer_byte_rate must be greater than 0"),
        (ALICE, {P: 1.5}, "producer_byte_rate cannot be a fractional value."),
        (ALICE, {P: float("inf")}, "Proposed value for producer_byte_rate is too large for a LONG."),
        (ALICE, {C: 5.0, P: -1.0}, "Quota producer_byte_rate must be greater than 0"),
    ],
)
def test_what_is_refused(client, entity, values, sentence):
    before = quotas(client)
    assert change(client, entity, **values) == (42, sentence)
    assert quotas(client) == before


def test_an_entity_named_twice_does_not_change(client):
    entry = alter.EntryData(
        entity=[alter.EntityData(entity_type="user", entity_name="twice")], ops=[alter.OpData(key=P, value=1.0)]
    )
    (answer,) = client.call(alter.AlterClientQuotasRequest(entries=[entry, entry]), 1).entries
    assert answer.error_code == 42
    assert answer.error_message == "Ignoring duplicate entity ClientQuotaEntity(entries={user=twice})"
    assert (("user", "twice"),) not in quotas(client)


def test_removal_and_validation_only(client):
    entity = (("user", "bob"),)
    assert change(client, entity, **{P: 5.0}, validate_only=True) == (0, None)
    assert entity not in quotas(client)
    assert change(client, entity, **{P: 5.0, C: 6.0}) == (0, None)
    assert change(client, entity, **{P: None, "unknown": None}) == (0, None)
    assert quotas(client)[entity] == {C: 6.0}
    assert change(client, entity, **{C: None}) == (0, None)
    assert entity not in quotas(client)
