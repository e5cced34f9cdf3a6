"""Scripts: what happens to a group, line by line, and what comes of it.

A script has steps, each a line that begins with "> ", and below each step what members were told and what was written
to the log. Lines that begin with "#" are for the reader. Steps:

    config key=value ...                 before anything else: settings of GroupConfig
    NAME join [key=value ...]            keys are the arguments of Play.join
    NAME sync GENERATION [NAME=TEXT ...] assignments, by the leader
    NAME heartbeat GENERATION
    NAME leave | leave instance=NAME     the latter: an administrator's
    NAME commit GENERATION TOPIC-N=OFFSET ... [retention_ms=N] [metadata_size=N]
    NAME forget                          the client forgets its member id
    fetch [TOPIC-N ...]                  none: all
    delete | delete-offsets TOPIC-N ... | expire | topic-deleted NAME
    wait MILLISECONDS
    disk ERROR | disk NONE               what appends run into
    restart                              the broker dies and comes back
    group                                state, generation, members

To write down what a new script gives, for reading before it is kept: KC_SCRIPTS=write.
"""

from __future__ import annotations

from typing import Any

from pykafka_core.coordinator.events import DeleteGroup, DeleteOffsets, ExpireOffsets, FetchOffsets, TopicsDeleted
from pykafka_core.protocol.errors import ErrorCode
from tests.coordinator.play import Play


def perform(text: str) -> str:
    """Return the script with what its steps give in place of what it has below them."""
    play = Play()
    out: list[str] = []
    for line in text.splitlines():
        if line.startswith(">"):
            out.append(line)
            words = line[1:].split()
            if words[0] == "config":
                play = Play(**{key: int(value) for key, value in pairs(words[1:]).items()})
            else:
                act(play, words)
            out += [f"  {said}" for said in play.said]
            play.said.clear()
        elif not line.startswith("  "):
            out.append(line)
    return "\n".join(out) + "\n"


def pairs(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def partition(text: str) -> tuple[str, int]:
    topic, _, index = text.rpartition("-")
    return topic, int(index)


def act(play: Play, words: list[str]) -> None:
    match words:
        case ["wait", milliseconds]:
            play.wait(int(milliseconds))
        case ["disk", name]:
            play.disk_error = ErrorCode[name]
        case ["restart"]:
            play.restart()
        case ["group"]:
            play.said.append(describe(play))
        case ["fetch", *partitions]:
            request = play.request("fetch")
            wanted = [partition(each) for each in partitions] or None
            play.step(FetchOffsets(group_id=play.group_id, request=request, partitions=wanted))
        case ["delete"]:
            play.step(DeleteGroup(group_id=play.group_id, request=play.request("delete")))
        case ["delete-offsets", *partitions]:
            wanted = [partition(each) for each in partitions]
            play.step(DeleteOffsets(group_id=play.group_id, request=play.request("delete"), partitions=wanted))
        case ["expire"]:
            play.step(ExpireOffsets(group_id=play.group_id))
        case ["topic-deleted", name]:
            play.step(TopicsDeleted(group_id=play.group_id, topics=frozenset([name])))
        case ["leave", instance]:
            play.leave("admin", member_id="", instance_id=pairs([instance])["instance"])
        case [who, "forget"]:
            play.ids.pop(who)
        case [who, "join", *options]:
            given: dict[str, Any] = pairs(options)
            for key in given:
                if key.endswith("_ms"):
                    given[key] = int(given[key])
                elif key in ("require_id", "skip"):
                    given[key] = given[key] == "yes"
            play.join(who, **given)
        case [who, "sync", generation, *assignments]:
            given = pairs(assignments)
            play.sync(who, int(generation), instance_id=given.pop("instance_id", None),
                      protocol_name=given.pop("protocol_name", None), assignments=given)  # fmt: skip
        case [who, "heartbeat", generation, *options]:
            play.heartbeat(who, int(generation), **pairs(options))
        case [who, "leave"]:
            play.leave(who)
        case [who, "commit", generation, *options]:
            given = pairs(options)
            more = {"retention_ms": int(given.pop("retention_ms"))} if "retention_ms" in given else {}
            metadata = "x" * int(given.pop("metadata_size", 0))
            offsets = {partition(place): int(offset) for place, offset in given.items()}
            play.commit(who, int(generation), offsets, metadata=metadata, **more)
        case _:
            raise ValueError(f"no such step: {' '.join(words)}")


def describe(play: Play) -> str:
    group = play.coordinator.groups.get(play.group_id)
    if group is None:
        return "no group"
    classic = group.classic
    members = " ".join(member.member_id for member in classic.members.all()) or "none"
    return f"{classic.state}, generation {classic.generation}, members: {members}, leader {classic.members.leader}"
