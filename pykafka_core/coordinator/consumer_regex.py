"""Regular expressions that members of consumer groups subscribe by (KIP-848).

An expression is checked when it is first heard of, and resolved apart from the step that brings it, since it is held
against the name of every topic there is: `ResolveRegexes` asks for it and `RegexesResolved` tells the outcome, which is
kept in the log, so that all members of a group see the same topics. All expressions of a group are resolved together,
10 seconds after the last time at the earliest: when one is not resolved yet, when there are new topics, or when
`group.consumer.regex.refresh.interval.ms` is over.

Source: GroupMetadataManager.maybeUpdateRegularExpressions, handleRegularExpressionsResult.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum
from typing import Final

from pykafka_core.coordinator.consumer_events import Refusal, RegexesResolved
from pykafka_core.coordinator.consumer_group import ConsumerGroup, ResolvedRegex
from pykafka_core.coordinator.consumer_member import ConsumerGroupMember
from pykafka_core.coordinator.consumer_plan import Plan
from pykafka_core.coordinator.consumer_records import epoch_record, regex_record, regex_tombstone
from pykafka_core.coordinator.consumer_steps import ConsumerSteps
from pykafka_core.coordinator.effects import Effect, ResolveRegexes
from pykafka_core.coordinator.events import Now
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["RegexStep", "regexes_without", "resolved", "update_regexes"]

REFRESH_INTERVAL_MIN_MS: Final = 10_000


class RegexStep(Enum):
    """What a heartbeat does to the member's regular expression."""

    NONE = 0
    UPDATED = 1
    RESOLVED = 2
    """It is another one, and what it stands for is known."""


def update_regexes(
    plan: Plan, member: ConsumerGroupMember, updated: ConsumerGroupMember, steps: ConsumerSteps, now: Now
) -> RegexStep:
    """Raises Refusal for an expression that is none."""
    group = plan.group
    old, new = member.topic_regex, updated.topic_regex
    step = RegexStep.NONE
    is_new = False
    if old != new:
        step = RegexStep.UPDATED
        if old and group.regex_members(old) == 1:
            plan.add(regex_tombstone(group.group_id, old))
        if not new:
            step = RegexStep.RESOLVED
        elif not group.regex_members(new):
            check_regex(new)
            is_new = True
        elif new in group.regexes:
            step = RegexStep.RESOLVED
    _ask_for_refresh(plan, old, new, is_new, steps, now)
    return step


def _ask_for_refresh(plan: Plan, old: str, new: str, is_new: bool, steps: ConsumerSteps, now: Now) -> None:
    group = plan.group
    subscribed = group.subscribed_regexes
    if (not is_new and not subscribed) or group.is_resolving:
        return
    last_ms, last_version = group.regex_refresh()
    if now.wall_ms <= last_ms + REFRESH_INTERVAL_MIN_MS:
        return
    subscribed += Counter({new: 1} if new else {})
    subscribed -= Counter({old: 1} if old else {})
    is_due = (
        is_new
        or len(subscribed) != len(group.regexes)
        or last_version < steps.new_topics_version
        or now.wall_ms > last_ms + steps.config.regex_refresh_interval_ms
    )
    if is_due and subscribed:
        regexes = tuple(subscribed)
        topics = steps.topics

        def ask(now: Now) -> list[Effect]:
            group.is_resolving = True
            return [ResolveRegexes(group_id=group.group_id, regexes=regexes, topics=topics)]

        plan.then(ask)


def resolved(plan: Plan, event: RegexesResolved, steps: ConsumerSteps) -> None:
    """Write down what the expressions stand for; the group epoch rises if that is something else than before."""
    group = plan.group
    regexes = dict(group.regexes)
    bump = False
    for regex, topics in event.topics.items():
        if not group.regex_members(regex):
            continue
        before = regexes.get(regex)
        bump = bump or topics != (before.topics if before is not None else frozenset())
        regexes[regex] = ResolvedRegex(topics, event.version, event.wall_ms)
        plan.add(regex_record(group.group_id, regex, topics, event.version, event.wall_ms))
    names = group.topics_with(group.members.values(), regexes.values())
    metadata_hash = steps.hashes.of_group(names, steps.topics)
    if bump or metadata_hash != group.metadata_hash:
        plan.add(epoch_record(group.group_id, group.epoch + 1, metadata_hash))


def regexes_without(group: ConsumerGroup, members: Iterable[ConsumerGroupMember]) -> tuple[str, ...]:
    """The expressions that nobody subscribes to when these members are gone."""
    left = Counter(member.topic_regex for member in members if member.topic_regex)
    return tuple(regex for regex, count in left.items() if group.regex_members(regex) == count)


def check_regex(regex: str) -> None:
    from pykafka_core.coordinator.regex import RegexError, compile_regex

    try:
        compile_regex(regex)
    except RegexError as error:
        raise Refusal(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}.",
        ) from error
