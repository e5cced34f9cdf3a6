"""One story told four times: by Kafka's commands and by ours, to Apache Kafka and to our broker.

A story is lines as one types them, `--bootstrap-server` left out; what follows ` << ` is standard input. It takes away
all that it has made, so that the next teller finds the broker as the first one did; names must stay the same, because
some lists come in the order of a hash table. Each command must give the same status, the same lines on standard output
and the same on standard error, whoever runs it and whoever answers; ids, times and addresses are replaced on all sides.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable

from harness.broker import Broker
from running import Ran, run_inside, run_kafkas, run_ours

Answer = tuple[int, list[str], list[str]]
Runner = Callable[..., Ran]

# Said by Kafka where ours is silent: to a terminal only, or never.
NOT_OURS = (
    "is deprecated and will be removed in a future version",
    "The consumer rebalance protocol (KIP-848) is production-ready",
)
# Groups with a name drawn by lot, which the console consumer leaves behind.
LEFT_BEHIND = re.compile(r"\bconsole-consumer-\d+\b")
LAG_SECONDS = 5
# What may be asked again, because it changes nothing.
ASKS = re.compile(r" --(describe|list|dry-run)\b|^kafka-get-offsets ")
# The help that follows wrong use has texts of our own.
HELP = re.compile(r"Option( \(\* = required\))? +Description")


def by_ours(tool: str, *words: str, stdin: str) -> Ran:
    if not tool.startswith("kafka-console"):
        return run_inside(tool, *words)
    if tool == "kafka-console-producer":
        # The older name, which tutorials use and Kafka's own command no longer takes.
        words = tuple("--broker-list" if word == "--bootstrap-server" else word for word in words)
    return run_ours(tool, *words, stdin=stdin)


def tell(line: str, run: Runner, broker: Broker) -> Answer:
    command, _, stdin = line.partition(" << ")
    tool, *words = shlex.split(command)
    server = [] if "--validate-regex" in words else ["--bootstrap-server", broker.bootstrap]
    return normal(run(tool, *words, *server, stdin=stdin.encode().decode("unicode_escape")), broker)


def normal(ran: Ran, broker: Broker) -> Answer:
    def lines(texts: list[str]) -> list[str]:
        kept = [text for text in texts if not any(each in text for each in NOT_OURS)]
        return [plain(text) for text in kept]

    def plain(text: str) -> str:
        text = text.replace(broker.bootstrap, "HOST:PORT").replace(str(broker.data), "LOGDIR")
        text = LEFT_BEHIND.sub("console-consumer-N", text)
        text = re.sub(r"(?<![\w-])[\w-]{22}(?![\w-])", "ID", text)
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID", text)
        text = re.sub(r"\b1[5-9]\d{11}\b", "TIME", text)
        # A record is a byte longer where its time differs more from that of its batch.
        text = re.sub(r'"size":[1-9]\d*', '"size":SIZE', text)
        # Formatting Apache Kafka with eligible.leader.replicas.version=1 stores this setting in the cluster.
        return re.sub(r"min\.insync\.replicas=1,|,min\.insync\.replicas=1|min\.insync\.replicas=1", "", text)

    err = lines(ran.err)
    help_at = next((at for at, text in enumerate(err) if HELP.match(text)), len(err))
    return ran.status, lines(ran.out), err[:help_at]


def settled(line: str, told: Answer, broker: Broker) -> Answer:
    """The answer that all others are measured by: Kafka's own, once it is given twice in a row."""
    while (again := tell(line, run_kafkas, broker)) != told:
        told = again
    return told


def assert_one_answer(story: str, ours: Broker, kafka: Broker) -> None:
    wanted: dict[str, Answer] = {}
    lines = story.strip().splitlines()
    for run in (run_kafkas, by_ours):
        for broker in (kafka, ours):
            changed = False
            for number, line in enumerate(lines):
                place = f"{number} {line}"
                told = tell(line, run, broker)
                if place not in wanted and changed and ASKS.search(line):
                    told = settled(line, told, broker)
                changed = not ASKS.search(line)
                # What Kafka's controller has done reaches its broker a moment later, and our commands are quick.
                deadline = time.monotonic() + LAG_SECONDS
                while place in wanted and told != wanted[place] and ASKS.search(line) and time.monotonic() < deadline:
                    told = tell(line, run, broker)
                should = wanted.setdefault(place, told)
                assert told == should, f"{run.__name__} against {broker.target}: {line}\nis     {told}\nshould {should}"
