"""Durations as Java reads them: PnDTnHnMn.nS.

Source: java.time.Duration.parse.
"""

from __future__ import annotations

import re

__all__ = ["parse_duration_ms"]

DURATION = re.compile(
    r"([-+]?)P(?:([-+]?\d+)D)?(T(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+)(?:[.,](\d{0,9}))?S)?)?$", re.IGNORECASE
)


def parse_duration_ms(text: str) -> int | None:
    """Whole milliseconds; None for what is no duration."""
    found = DURATION.match(text)
    if found is None or found[3] in ("T", "t") or not any(found.group(2, 4, 5, 6)):
        return None
    sign, days, _, hours, minutes, seconds, fraction = found.groups()
    whole = int(days or 0) * 86_400 + int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    nanos = int((fraction or "").ljust(9, "0"))
    if seconds and seconds.startswith("-"):
        nanos = -nanos
    total = whole * 1_000_000_000 + nanos
    return (-total if sign == "-" else total) // 1_000_000
