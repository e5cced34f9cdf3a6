"""Topics as a command line names them: regular expressions, lists, internal topics.

Source: org.apache.kafka.server.util.TopicFilter.IncludeList.
"""

from __future__ import annotations

import re

from pykafka_core.tools.command import ToolError

__all__ = ["INTERNAL_TOPICS", "IncludeList", "has_collision_characters"]

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
