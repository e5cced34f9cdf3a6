"""A row of requests to a broker and a note of each answer, to be compared with what Apache Kafka answered.

What differs from run to run is given a name: ids of members, topics, producers; times. `apart` marks answers in which
we differ on purpose.
"""

from __future__ import annotations

import difflib
import os
import socket
import time
from pathlib import Path
from typing import Any

from harness.broker import TARGET, Broker
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Struct

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
RECORDING = os.environ.get("KC_CLIENTS_RECORD") == "1"
NOT_READY = (14, 15, 16)
TIMES = {"transaction_start_time_ms", "last_timestamp"}


class Word(str):
    """A name that stands for a value."""


class Talk:
    def __init__(self, broker: Broker, topic_id: bytes) -> None:
        self.broker = broker
        self.topic_id = topic_id
        self.level = 0
        """Of a feature that the answers depend on."""
        self.lines: list[str] = []
        self.producers: dict[int, str] = {}
        self.names: dict[Any, str] = {topic_id: "<topic id>", bytes(16): "<no id>", broker.port: "<port>"}
        self.connections: dict[str, socket.socket] = {}

    def close(self) -> None:
        for each in self.connections.values():
            each.close()

    def send(self, who: str, request: Any, version: int) -> None:
        if who not in self.connections:
            self.connections[who] = socket.create_connection(self.broker.address, 60)
        self.connections[who].sendall(encode_request(request.API_KEY, version, 1, who, request, with_length=True))

    def receive(self, who: str, key: int, version: int) -> Any:
        with self.connections[who].makefile("rb") as answers:
            return decode_response(key, version, answers.read(int.from_bytes(answers.read(4), "big")))[1]

    def tell(self, who: str, key: int, version: int, answer: Any, note: str = "") -> Any:
        self.name_members(who, answer)
        self.lines.append(f"{who} {ApiKey(key).name} v{version}{note and ' ' + note}: {self.words(answer)}")
        return answer

    def ask(self, who: str, request: Any, version: int, note: str = "") -> Any:
        deadline = time.monotonic() + 60
        while True:
            self.send(who, request, version)
            answer = self.receive(who, request.API_KEY, version)
            if getattr(answer, "error_code", 0) not in NOT_READY or time.monotonic() > deadline:
                return self.tell(who, request.API_KEY, version, answer, note)
            time.sleep(0.1)

    def hear(self, who: str, key: ApiKey, version: int, note: str = "") -> Any:
        return self.tell(who, key, version, self.receive(who, key, version), note)

    def apart(self, ours: str, why: str) -> None:
        """The last answer is `ours` where we differ from Apache Kafka."""
        assert why
        if TARGET == "ours":
            head, _, said = self.lines[-1].partition(": ")
            assert said == ours
            self.lines[-1] = f"{head}: (we differ)"
        else:
            self.lines[-1] = self.lines[-1].partition(": ")[0] + ": (we differ)"

    def name_members(self, who: str, answer: Any) -> None:
        member_id = getattr(answer, "member_id", "")
        if len(member_id) > 36 and member_id not in self.names:
            count = sum(name.startswith(f"<{who}") for name in self.names.values())
            self.names[member_id] = f"<{who}{count + 1}>"

    def words(self, value: Any) -> str:
        if isinstance(value, Struct):
            shown = {row[0]: getattr(value, row[0], None) for row in value.FIELDS if row[0] != "throttle_time_ms"}
            if shown.get("error_message") not in ("", None, "NONE"):
                shown["error_message"] = "..."  # ours are in our own words
            for name in TIMES & shown.keys():
                shown[name] = Word("<time>") if shown[name] > 0 else shown[name]
            if shown.get("producer_id", -1) in self.producers:
                shown["producer_id"] = Word(self.producers[shown["producer_id"]])
            inner = " ".join(f"{name}={self.words(each)}" for name, each in shown.items() if each not in ("", [], None))
            return f"({inner})"
        if isinstance(value, Word):
            return str(value)
        if isinstance(value, list):
            return "[" + ", ".join(sorted(self.words(each) for each in value)) + "]"
        if isinstance(value, str | bytes | int) and not isinstance(value, bool) and value in self.names:
            return self.names[value]
        return repr(value)


def compare(talk: Talk, name: str) -> None:
    """With the recording of this name, which is made anew where that is asked for."""
    said = "\n".join(talk.lines) + "\n"
    path = RECORDED / f"{name}.txt"
    if RECORDING:
        assert TARGET == "kafka", "recordings are made from Apache Kafka"
        path.write_text(said)
    recorded = path.read_text()
    different = difflib.unified_diff(recorded.splitlines(), said.splitlines(), "recorded", "said", n=0, lineterm="")
    assert said == recorded, "\n".join(different)
