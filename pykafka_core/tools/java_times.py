"""Points in time and durations as Kafka's commands read them.

Source: org.apache.kafka.common.utils.Utils.getDateTime.
"""

from __future__ import annotations

import re

from pykafka_core.client.durations import parse_duration_ms
from pykafka_core.tools.java_errors import RUNTIME, JavaError

__all__ = ["datetime_ms", "duration_ms"]

PARSE_EXCEPTION = "java.text.ParseException"
DATETIME = re.compile(r"(\d{1,4})-(\d\d?)-(\d\d?)T(\d\d?):(\d\d?):(\d\d?)\.(\d{1,3})(Z|[+-]\d\d(?::?\d\d)?)$")


def datetime_ms(text: str) -> int:
    """YYYY-MM-DDThh:mm:ss.sss, in UTC where no zone follows; milliseconds since the epoch. Raises JavaError."""
    parts = text.split("T")
    if len(parts) < 2 or not parts[1]:
        raise JavaError(
            PARSE_EXCEPTION, "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
        ).within(RUNTIME)
    zoned = text if any(sign in parts[1] for sign in "+-Z") else f"{text}Z"
    from datetime import UTC, datetime, timedelta

    found = DATETIME.match(zoned)
    try:
        if found is None:
            raise ValueError
        *numbers, zone = found.groups()
        year, month, day, hour, minute, second, millis = map(int, numbers)
        moment = datetime(year, month, day, hour, minute, second, millis * 1000, tzinfo=UTC)
    except ValueError:
        raise JavaError(PARSE_EXCEPTION, f'Unparseable date: "{zoned}"').within(RUNTIME) from None
    if zone != "Z":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        moment -= shift if zone[0] == "+" else -shift
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def duration_ms(text: str) -> int:
    """PnDTnHnMnS. Raises JavaError."""
    found = parse_duration_ms(text)
    if found is None:
        raise JavaError("java.time.format.DateTimeParseException", "Text cannot be parsed to a Duration")
    return found
