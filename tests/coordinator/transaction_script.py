"""Scripts for the transaction coordinator: what producers do, line by line, and what comes of it.

Below each step, which begins with "> ", stand what was written to the log and to partitions, and what the producer was
told. A pair such as 1000/3 is a producer id and an epoch. Lines that begin with "#" are for the reader. Steps:

    config key=value ...                before anything else: settings of TransactionConfig, version=0|1|2
    NAME init [own] [timeout_ms=N]      own: with the producer id and epoch that it has (KIP-360)
    NAME add|verify TOPIC-N ...
    NAME produce TOPIC-N VALUE
    NAME commit | abort
    NAME has ID EPOCH                   what the client believes to have
    NAME is ID [version=1|2]            its transactional id, if it is not its name, and its version, if it is not 2
    wait MILLISECONDS
    disk ERROR | disk NONE              what appends to the log run into
    markers TOPIC-N ERROR | NONE        what markers run into
    crash N                             in the next step the broker dies after N effects
    restart
    epoch ID N                          move an id's epoch, as thousands of transactions would
    read TOPIC-N                        the records of committed transactions
    ids                                 what the coordinator knows
"""

from __future__ import annotations

from typing import Any

from pykafka_core.coordinator.transaction_events import ProducerAnswer
from pykafka_core.protocol.errors import ErrorCode
from tests.coordinator.transaction_play import Producer, TransactionPlay, describe


def perform(text: str) -> str:
    """Return the script with what its steps give in place of what it has below them."""
    scene = Scene()
    out: list[str] = []
    for line in text.splitlines():
        if line.startswith(">"):
            out.append(line)
            scene.act(line[1:].split())
            out += [f"  {said}" for said in scene.play.said]
            scene.play.said.clear()
        elif not line.startswith("  "):
            out.append(line)
    return "\n".join(out) + "\n"


def place(text: str) -> tuple[str, int]:
    topic, _, index = text.rpartition("-")
    return topic, int(index)


class Scene:
    def __init__(self) -> None:
        self.play = TransactionPlay()
        self.producers: dict[str, Producer] = {}

    def producer(self, name: str) -> Producer:
        return self.producers.setdefault(name, Producer(name, 2))

    def act(self, words: list[str]) -> None:
        play = self.play
        match words:
            case ["config", *options]:
                given = {key: int(value) for key, value in (option.split("=") for option in options)}
                self.play = TransactionPlay(given.pop("version", 2), **given)
            case ["wait", milliseconds]:
                play.wait(int(milliseconds))
            case ["disk", name]:
                play.disk_error = ErrorCode[name]
            case ["markers", where, name]:
                play.partition(place(where)).error = ErrorCode[name]
            case ["crash", count]:
                play.crash_after = int(count)
            case ["restart"]:
                play.restart()
            case ["epoch", name, epoch]:
                found = play.coordinator.ids[name]
                found.state = found.state._replace(epoch=int(epoch))
            case ["read", where]:
                play.said.append(" ".join(play.partition(place(where)).committed) or "nothing")
            case ["ids"]:
                play.said += [f"{name}: {describe(each.state)}" for name, each in play.coordinator.ids.items()]
            case [name, "is", transactional_id, *options]:
                version = int(options[0].removeprefix("version=")) if options else 2
                self.producers[name] = Producer(transactional_id, version)
            case [name, "has", producer_id, epoch]:
                who = self.producer(name)
                who.producer_id, who.epoch = int(producer_id), int(epoch)
            case [name, *what]:
                self.tell(name, self.ask(self.producer(name), what))

    def ask(self, who: Producer, words: list[str]) -> Any:
        play = self.play
        match words:
            case ["init", *options]:
                times = [int(each.removeprefix("timeout_ms=")) for each in options if each != "own"]
                return play.init(who, own="own" in options, timeout_ms=times[0] if times else 60_000)
            case ["add", *places]:
                return play.add(who, map(place, places))
            case ["verify", *places]:
                return play.verify(who, map(place, places))
            case ["produce", where, value]:
                return play.produce(who, place(where), value)
            case ["commit"]:
                return play.end(who, commit=True)
            case ["abort"]:
                return play.end(who, commit=False)
        raise ValueError(f"no such step: {' '.join(words)}")

    def tell(self, name: str, answer: Any) -> None:
        match answer:
            case None:
                told = "never hears"
            case ProducerAnswer(ErrorCode.NONE, producer_id, epoch) if producer_id != -1:
                told = f"{producer_id}/{epoch}"
            case ProducerAnswer(error):
                told = error.name
            case dict():
                told = " ".join(f"{topic}-{index}:{error.name}" for (topic, index), error in sorted(answer.items()))
            case _:
                told = ErrorCode(answer).name
        self.play.said.append(f"{name}: {told}")
