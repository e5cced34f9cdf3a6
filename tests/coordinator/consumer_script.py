"""Scripts for consumer groups: as script.py's, with these steps besides:

    config key=value ...                  settings of ConsumerGroupConfig and GroupConfig; migration=upgrade,downgrade
    topics NAME=PARTITIONS ...            topics come, grow, or (0) go
    NAME beat [EPOCH] [key=value ...]     topics=a,b regex=… assignor=… instance=… rebalance_ms=N;
                                          owns=t-0,1 (has more than it was told), owns=? (does not say)
    NAME classic [key=value ...]          JoinGroup for topics=a,b; owns=t-0,1 instance=… session_ms=N
    NAME sync EPOCH | NAME heartbeat EPOCH | NAME leave     of a classic member
    NAME commit EPOCH TOPIC-N=OFFSET ...
    group                                 state and epochs; each member with what it has, is to have and gives up

Members are named by their ids; a classic member that has none is given one by the broker.
"""

from __future__ import annotations

from typing import Any

from pykafka_core.coordinator.consumer_events import MigrationPolicy
from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.protocol._codec import encode
from pykafka_core.protocol.messages.consumer_protocol_subscription import (
    ConsumerProtocolSubscription,
    TopicPartition,
)
from tests.coordinator import script
from tests.coordinator.consumer_play import ConsumerPlay, in_words, topic_id
from tests.coordinator.script import pairs


def perform(text: str) -> str:
    """Return the script with what its steps give in place of what it has below them."""
    play = ConsumerPlay()
    out: list[str] = []
    for line in text.splitlines():
        if line.startswith(">"):
            out.append(line)
            words = line[1:].split()
            if words[0] == "config":
                play = ConsumerPlay(**settings(words[1:]))
            else:
                act(play, words)
            out += [f"  {said}" for said in play.said]
            play.said.clear()
        elif not line.startswith("  "):
            out.append(line)
    return "\n".join(out) + "\n"


def settings(words: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = pairs(words)
    for key, value in given.items():
        given[key] = MigrationPolicy("upgrade" in value, "downgrade" in value) if key == "migration" else int(value)
    return given


def owned(text: str) -> dict[bytes, frozenset[int]]:
    """Of "t-0,1/u-3"."""
    found = {}
    for each in filter(None, text.split("/")):
        name, _, partitions = each.rpartition("-")
        found[topic_id(name)] = frozenset(map(int, partitions.split(",")))
    return found


def act(play: ConsumerPlay, words: list[str]) -> None:
    match words:
        case ["topics", *counts]:
            play.topics(**{name: int(count) for name, count in pairs(counts).items()})
        case ["group"]:
            play.said += describe(play)
        case [who, "beat", *options]:
            epoch = int(options.pop(0)) if options and "=" not in options[0] else None
            beat(play, who, epoch, pairs(options))
        case [who, "classic", *options]:
            classic(play, who, pairs(options))
        case _:
            script.act(play, words)


def beat(play: ConsumerPlay, who: str, epoch: int | None, given: dict[str, Any]) -> None:
    more: dict[str, Any] = {}
    if "topics" in given:
        more["topic_names"] = [name for name in given["topics"].split(",") if name]
    names = {"regex": "topic_regex", "assignor": "server_assignor", "instance": "instance_id", "id": "member_id"}
    more |= {names[key]: given[key] for key in names if key in given}
    if "rebalance_ms" in given:
        more["rebalance_timeout_ms"] = int(given["rebalance_ms"])
    if "owns" in given:
        more["owns"] = None if given["owns"] == "?" else owned(given["owns"])
    play.beat(who, epoch, **more)


def classic(play: ConsumerPlay, who: str, given: dict[str, Any]) -> None:
    subscription = ConsumerProtocolSubscription(
        topics=given["topics"].split(","),
        owned_partitions=[
            TopicPartition(topic=each.rstrip(bytes(1)).decode(), partitions=sorted(partitions))
            for each, partitions in owned(given.get("owns", "")).items()
        ],
    )
    play.classic_join(
        who,
        b"\0\3" + encode(subscription, 3),
        instance_id=given.get("instance"),
        session_ms=int(given.get("session_ms", 30_000)),
    )


def describe(play: ConsumerPlay) -> list[str]:
    group = play.coordinator.groups.get(play.group_id)
    if group is None or not isinstance(group.kind, ConsumerGroup):
        return [script.describe(play)]
    kind = group.kind
    lines = [f"{kind.state}, epoch {kind.epoch}, target of epoch {kind.assignment_epoch}"]
    for member in sorted(kind.members.values(), key=lambda each: each.member_id):
        line = f"{member.member_id} at {member.epoch} has {in_words(member.assigned)}"
        target = in_words(kind.target.get(member.member_id, {}))
        line += f", is to have {target}"
        if member.revoking:
            line += f", gives up {in_words(member.revoking)}"
        lines.append(line + (", classic" if member.classic else ""))
    return lines
