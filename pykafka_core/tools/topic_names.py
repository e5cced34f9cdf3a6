"""Topics as a command line names them: regular expressions, lists, internal topics.

Source: org.apache.kafka.server.util.TopicFilter.IncludeList, org.apache.kafka.common.internals.Topic.
"""

from __future__ import annotations

import re

from pykafka_core.tools.command import ToolError

__all__ = ["INTERNAL_TOPICS", "IncludeList", "has_collision_characters", "name_fault"]

INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})


class IncludeList:
    """A regular expression that a whole name must match; commas separate alternatives. Raises ToolError."""

    def __init__(self, text: str) -> None:
        pattern = text.strip().replace(",", "|").replace(" ", "").strip("\"'")
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise ToolError(f"{text} is an invalid regex.", "java.lang.RuntimeException") from error

    def allows(self, topic: str, *, exclude_internal: bool) -> bool:
        return self._pattern.fullmatch(topic) is not None and not (exclude_internal and topic in INTERNAL_TOPICS)


def has_collision_characters(name: str) -> bool:
    """Whether metrics of two topics could be taken for each other because of this name."""
    return "." in name or "_" in name


def name_fault(name: str) -> str | None:
    """Why this can be no topic's name; None where it can."""
    if not name:
        return "Topic name is invalid: the empty string is not allowed"
    if name in (".", ".."):
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > 249:
        return f"Topic name is invalid: the length of '{name}' is longer than the max allowed length 249"
    if re.fullmatch(r"[a-zA-Z0-9._-]+", name) is None:
        return (
            f"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', "
            "'_' and '-'"
        )
    return None
