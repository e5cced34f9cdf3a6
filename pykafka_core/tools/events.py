"""The JSON lines of the verifiable tools: one event a line, its time and name first.

Source: org.apache.kafka.tools.{VerifiableProducer,VerifiableConsumer}.
"""

from __future__ import annotations

import time

from pykafka_core.tools.record_json import java_double, json_text

__all__ = ["print_event"]


class Double:
    """A number that is written as Java writes a double."""

    def __init__(self, value: float) -> None:
        self.value = value


def print_event(name: str, **fields: object) -> None:
    timestamp = time.time_ns() // 1_000_000
    parts = [f'"timestamp":{timestamp}', f'"name":{json_text(name)}']
    for key, value in fields.items():
        text = java_double(value.value) if isinstance(value, Double) else json_text(value)
        parts.append(f"{json_text(key)}:{text}")
    print("{" + ",".join(parts) + "}", flush=True)


__all__ += ["Double"]
