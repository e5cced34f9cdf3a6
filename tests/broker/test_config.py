"""Goal: Kafka's own server.properties works, and a wrong one is refused in one sentence.

Method: properties as people write them; the table against the ConfigDefs of Apache Kafka 4.3.1
(golden/kafka-4.3.1-configs.tsv).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.broker.config import ConfigError, load_config, make_config
from pykafka_core.broker.config_keys import BROKER_CONFIGS, is_kafka_config
from pykafka_core.broker.config_keys_others import OTHER_CONFIGS
from pykafka_core.broker.config_values import ConfigKey, OneOf, Range, format_value
from pykafka_core.broker.start import reactor_count, usable_processors
from pykafka_core.broker.topic_configs import TOPIC_CONFIGS

# As a KRaft server.properties for one node looks.
ONE_NODE = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


def golden() -> Iterator[list[str]]:
    lines = (Path(__file__).parent / "golden" / "kafka-4.3.1-configs.tsv").read_text().splitlines()
    return (line.split("\t") for line in lines if not line.startswith("#"))


def check_text(key: ConfigKey) -> str:
    check = key.check
    if isinstance(check, Range):
        text = f"[{check.low},...]" if check.high is None else f"[{check.low},...,{check.high}]"
        return text if check.escape is None else f"{text} or {check.escape}"
    if isinstance(check, OneOf) and check.any_case:
        return f"(case insensitive) [{', '.join(check.values)}]"
    if hasattr(check, "values"):
        return f"[{', '.join(check.values)}]"
    return "" if check is None else "[partitionId]:[brokerId],[partitionId]:[brokerId],..."


OUR_DEFAULTS = {"socket.send.buffer.bytes": "262144"}
"""Where another default than Kafka's serves users better; each has its reason beside the key."""


def test_the_tables_are_kafkas() -> None:
    ours = {"B": BROKER_CONFIGS, "T": TOPIC_CONFIGS}
    assert not BROKER_CONFIGS.keys() & OTHER_CONFIGS.keys()
    seen = set()
    for kind, name, type_name, default, validator, mode in golden():
        key = ours[kind].get(name)
        if key is None:
            assert kind == "B"
            assert is_kafka_config(name), name
            key = OTHER_CONFIGS[name]
            assert key.inert, name
        seen.add((kind, name))
        assert key.type.name == type_name, name
        if name not in ("log.dir", "node.id", "process.roles", "controller.listener.names"):
            kafkas = default.removeprefix("class ").removeprefix("[").removesuffix("]").replace(", ", ",")
            text = OUR_DEFAULTS.get(name, kafkas)
            assert (format_value(key.default) if key.default is not None else "null") == text, name
        # These two refuse an empty list or null, which ours take as unset.
        if validator not in ("non-empty list", "non-null string"):
            assert check_text(key) == validator, name
        if kind == "B":
            assert key.mode == mode, name
        assert key.doc.endswith((".", "!")), name
    assert seen == {("B", name) for name in (*BROKER_CONFIGS, *OTHER_CONFIGS)} - {
        ("B", "super.users"),
        ("B", "allow.everyone.if.no.acl.found"),
    } | {("T", name) for name in TOPIC_CONFIGS}


def test_a_server_properties_for_one_node_works(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text(ONE_NODE)
    config = load_config(path, ["num.partitions=4", "log.retention.hours=2"])
    assert config.node_id == 1
    assert config.num_partitions == 4
    assert config["log.retention.hours"] == 2
    assert config.log_dirs == (Path("/tmp/kraft-combined-logs"),)
    assert config.metadata_log_dir == Path("/tmp/kraft-combined-logs")
    (listener,) = config.listeners
    assert (listener.name, listener.host, listener.port) == ("PLAINTEXT", None, 9092)
    assert (listener.advertised_host, listener.advertised_port) == ("localhost", 9092)
    assert (config.controller_endpoint.host, config.controller_endpoint.port) == ("localhost", 9093)
    assert any("CONTROLLER" in note for note in config.notes)
    assert config.warnings == (
        "Configuration share.coordinator.state.topic.replication.factor of Apache Kafka has no effect in this version.",
    )


def test_without_a_file_everything_has_a_default() -> None:
    config = load_config()
    assert config.node_id is None
    assert config.listeners[0].port == 9092
    assert config.listeners[0].advertised_host is None
    assert config.warnings == ()
    assert config.log_dirs[0].name == "kafka-logs"


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (
            {"num.partitions": "0"},
            "Invalid value 0 for configuration num.partitions: Value must be at least 1; allowed: 1 or more",
        ),
        (
            {"num.partitions": "many"},
            "Invalid value many for configuration num.partitions: Not a number of type INT; allowed: 1 or more",
        ),
        (
            {"socket.send.buffer.bytes": "9999999999"},
            "Invalid value 9999999999 for configuration socket.send.buffer.bytes: Not a number of type INT; "
            "allowed: a whole number from -2147483648 to 2147483647",
        ),
        (
            {"auto.create.topics.enable": "yes"},
            "Invalid value yes for configuration auto.create.topics.enable: Expected value to be either true or false; "
            "allowed: true or false",
        ),
        (
            {"log.cleanup.policy": "shred"},
            "Invalid value shred for configuration log.cleanup.policy: String must be one of: compact, delete; "
            "allowed: any of compact, delete, separated by commas",
        ),
        (
            {"log.cleaner.min.cleanable.ratio": "2"},
            "Invalid value 2.0 for configuration log.cleaner.min.cleanable.ratio: "
            "Value must be no more than 1; allowed: 0 to 1",
        ),
        ({"log.retention.ms": "0"}, "Invalid value 0 for configuration log.retention.ms: Value must be -1"),
        ({"node.id": "-3"}, "Invalid value -3 for configuration node.id: Value must be at least 0"),
        ({"node.id": "1", "broker.id": "2"}, "they must be the same"),
        ({"process.roles": "controller"}, "it must name the role broker"),
        ({"listeners": "PLAINTEXT:9092"}, "a listener has the form name://host:port"),
        ({"listeners": "PLAINTEXT://:70000"}, "a port is a number from 0 to 65535"),
        ({"listeners": "PLAINTEXT://:1,PLAINTEXT://:2"}, "PLAINTEXT comes twice"),
        (
            {"listeners": "PLAINTEXT://:1,SSL://:2"},
            "its security protocol SSL is not there yet; this version serves PLAINTEXT only",
        ),
        ({"listeners": "INSIDE://:1"}, "listener.security.protocol.map has no security protocol for it"),
        (
            {"listeners": "PLAINTEXT://:1,B://:1", "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,B:PLAINTEXT"},
            "PLAINTEXT and B ask for the same port 1",
        ),
        ({"listener.security.protocol.map": "A:FOO"}, "each item is name:protocol"),
        ({"advertised.listeners": "OTHER://h:1"}, "it is not the name of one of the listeners"),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:1"}, "no client can connect to that address"),
        (
            {"listeners": "CONTROLLER://:1", "controller.listener.names": "CONTROLLER"},
            "there must be one that is not a controller's",
        ),
        ({"controller.quorum.voters": "1@a:1,2@b:1"}, "several controllers are not there yet"),
        ({"log.dirs": "/a,/a"}, "/a comes twice"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(properties: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(properties)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_keys_are_warnings() -> None:
    config = make_config({"num.partition": "1", "ssl.keystore.location": "x"})
    assert config.warnings == (
        "Unknown configuration num.partition is ignored.",
        "Configuration ssl.keystore.location of Apache Kafka has no effect in this version.",
    )


@pytest.mark.parametrize("override", ["num.partitions", "=3", ""])
def test_an_override_without_key_or_value_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="the form is key=value"):
        load_config(None, [override])


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match="Cannot read the configuration file /nonexistent/server"):
        load_config("/nonexistent/server.properties")


def test_several_listeners_and_port_zero() -> None:
    config = make_config(
        {
            "listeners": "in://127.0.0.1:0,OUT://[::1]:0",
            "advertised.listeners": "OUT://broker.example:9094",
            "listener.security.protocol.map": "IN:PLAINTEXT,OUT:PLAINTEXT",
        }
    )
    inside, outside = config.listeners
    assert (inside.name, inside.host, inside.port, inside.advertised_host) == ("IN", "127.0.0.1", 0, None)
    assert (outside.host, outside.advertised_host, outside.advertised_port) == ("::1", "broker.example", 9094)


@given(st.dictionaries(st.sampled_from(sorted(BROKER_CONFIGS)), st.text(max_size=12), max_size=4))
def test_any_text_makes_a_config_or_a_config_error(properties: dict[str, str]) -> None:
    try:
        config = make_config(properties)
    except ConfigError:
        return
    assert config.static == properties


def test_there_are_no_more_reactors_than_processors_unless_somebody_says_so() -> None:
    unset = make_config({"node.id": "1"})
    assert [reactor_count(unset, processors) for processors in (1, 2, 3, 64)] == [1, 2, 3, 3]
    chosen = make_config({"node.id": "1", "num.network.threads": "8"})
    assert reactor_count(chosen, 2) == 8
    assert usable_processors() >= 1
