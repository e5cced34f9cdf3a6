"""Goal: Apache Kafka's own administration tools print with our broker what they print with Apache Kafka 4.3.1.

Method: one session of commands against a broker with two log directories; its output is compared with a recording from
Apache Kafka, line by line. `KC_CLIENTS_TARGET=kafka` runs the same session against Apache Kafka, which must give the
recording as well; with `KC_CLIENTS_RECORD=true` it writes it.

What depends on the features of a cluster (share groups, eligible leader replicas) is left out: we have fewer.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import broker as brokers
from harness import jars
from harness.presence import MissingError, absent
from harness.requests import create_topic

pytestmark = [pytest.mark.row("kafka-dump-log"), pytest.mark.timeout(240)]

GOLDEN = Path(__file__).with_name("golden") / "admin-tools.session"
CONFIGS = "kafka.admin.ConfigCommand"
TOOLS = "org.apache.kafka.tools."
REASSIGN = f"{TOOLS}reassign.ReassignPartitionsCommand"
ALTER, DESCRIBE = "--alter --entity-type", "--describe --entity-type"
SESSION = [
    f"{CONFIGS} {ALTER} users --entity-name alice --add-config producer_byte_rate=1024,consumer_byte_rate=2048",
    f"{CONFIGS} {ALTER} users --entity-default --add-config request_percentage=50.5",
    f"{CONFIGS} {ALTER} users --entity-name b --entity-type clients --entity-default --add-config producer_byte_rate=9",
    f"{CONFIGS} {ALTER} clients --entity-name c --add-config producer_byte_rate=x",
    f"{CONFIGS} {ALTER} clients --entity-name c --add-config producer_byte_rate=-1",
    f"{CONFIGS} {ALTER} ips --entity-name 127.0.0.9 --add-config connection_creation_rate=10",
    f"{CONFIGS} {DESCRIBE} users --entity-name alice",
    f"{CONFIGS} {DESCRIBE} users --entity-default",
    f"{CONFIGS} {DESCRIBE} ips",
    f"{CONFIGS} {ALTER} users --entity-name alice --delete-config producer_byte_rate",
    f"{CONFIGS} {ALTER} users --entity-name alice --add-config SCRAM-SHA-256=[iterations=8192,password=pw]",
    f"{CONFIGS} {DESCRIBE} users --entity-name alice",
    f"{CONFIGS} {ALTER} users --entity-name alice --delete-config SCRAM-SHA-512",
    f"{CONFIGS} {ALTER} groups --entity-name g --add-config consumer.session.timeout.ms=50000",
    f"{CONFIGS} {ALTER} groups --entity-name g --add-config consumer.session.timeout.ms=5",
    f"{CONFIGS} {DESCRIBE} groups --entity-name g",
    f"{CONFIGS} {DESCRIBE} groups",
    f"{CONFIGS} {ALTER} client-metrics --entity-name m --add-config interval.ms=1000,metrics=[a,b]",
    f"{CONFIGS} {DESCRIBE} client-metrics",
    f"{CONFIGS} {ALTER} brokers --entity-default --add-config log.retention.ms=5000",
    f"{CONFIGS} {ALTER} brokers --entity-name 1 --add-config log.retention.ms=6000,log.cleaner.backoff.ms=9",
    f"{CONFIGS} {ALTER} brokers --entity-name 1 --add-config node.id=6",
    f"{CONFIGS} {DESCRIBE} brokers --entity-name 1",
    f"{CONFIGS} {ALTER} topics --entity-name t --add-config retention.ms=7000",
    f"{CONFIGS} {DESCRIBE} topics --entity-name t",
    f"{CONFIGS} {ALTER} broker-loggers --entity-name 1 --add-config root=WARN",
    f"{CONFIGS} {ALTER} broker-loggers --entity-name 1 --add-config nope=WARN",
    f"{TOOLS}LeaderElectionCommand --election-type preferred --topic t --partition 0",
    f"{TOOLS}LeaderElectionCommand --election-type unclean --all-topic-partitions",
    f"{TOOLS}FeatureCommand downgrade --feature metadata.version=29",
    f"{TOOLS}FeatureCommand upgrade --feature foo=1",
    f"{TOOLS}ClusterTool unregister --id 7",
    f"{TOOLS}TransactionsCommand describe-producers --topic t --partition 0",
    f"{REASSIGN} --list",
    f"{REASSIGN} --execute --reassignment-json-file DIR/nowhere.json",
    f"{REASSIGN} --execute --reassignment-json-file DIR/here.json --throttle 1000000",
    f"{REASSIGN} --verify --reassignment-json-file DIR/here.json",
]


def with_bootstrap(command: str, bootstrap: str) -> str:
    main, _, rest = command.partition(" ")
    if main.endswith("ClusterTool"):
        action, _, rest = rest.partition(" ")
        return f"{main} {action} --bootstrap-server {bootstrap} {rest}"
    return f"{main} --bootstrap-server {bootstrap} {rest}"


def test_session(own_broker: Callable[..., brokers.Broker], tmp_path: Path) -> None:
    try:
        jars.compile_programs()
    except MissingError as missing:
        absent(str(missing))
    data = tmp_path / "broker-0" / "data"
    broker = own_broker(log_dirs=f"{data / 'a'},{data / 'b'}")
    for file, broker_id in (("here.json", 1), ("nowhere.json", 2)):
        wanted = [{"topic": "t", "partition": index, "replicas": [broker_id]} for index in range(2)]
        (tmp_path / file).write_text(json.dumps({"version": 1, "partitions": wanted}))
    create_topic(broker.address, "t", 2)
    session = tmp_path / "session"
    commands = [with_bootstrap(command, broker.bootstrap).replace("DIR", str(tmp_path)) for command in SESSION]
    session.write_text("".join(f"{command}\n" for command in commands))
    done = jars.java("ToolSession", str(session), timeout=200)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    text = done.stdout.replace(broker.bootstrap, "HOST").replace(str(tmp_path), "DIR")
    # Where in the tool an error was noticed, which of its clients it was, and where a partition happens to lie.
    text = re.sub(r'(?m)^(\tat |\[kafka-admin-client-thread |.*"log_dirs").*\n', "", text)
    if os.environ.get("KC_CLIENTS_RECORD") == "true" and brokers.TARGET == "kafka":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    assert text.splitlines() == GOLDEN.read_text().splitlines()
