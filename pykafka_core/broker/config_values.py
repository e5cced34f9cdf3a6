"""Types, validators and wording of configuration values, for broker and topic configs alike.

The sentences are Kafka's, because tools and tests match them. Source: org.apache.kafka.common.config.ConfigDef,
ConfigException.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass
from pykafka_core._enum import IntEnum, StrEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Check = Callable[[str, Any], None]
else:
    Check = None

__all__ = [
    "INT_MAX",
    "LONG_MAX",
    "AllOf",
    "Check",
    "ConfigKey",
    "ConfigTable",
    "ConfigType",
    "ConfigValueError",
    "Importance",
    "OneOf",
    "Range",
    "ThrottledReplicas",
    "UpdateMode",
    "format_value",
    "parse_value",
]

INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1


class ConfigType(IntEnum):
    """Numbers of the DescribeConfigs response."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class Importance(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class UpdateMode(StrEnum):
    """How a broker config may change while the broker runs. Topic configs are always dynamic."""

    READ_ONLY = "read-only"
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"


class ConfigValueError(ValueError):
    """A value that its key does not take: Kafka's own sentence."""

    def __init__(self, name: str, value: object, reason: str) -> None:
        super().__init__(f"Invalid value {_shown(value)} for configuration {name}: {reason}")


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(value) + "]"
    return str(value)


@dataclass(slots=True, frozen=True)
class Range:
    """Numbers from low to high, and one more where Kafka has an escape value."""

    low: float | None = None
    high: float | None = None
    escape: int | None = None

    def __call__(self, name: str, value: Any) -> None:
        if value is None or (self.escape is not None and value == self.escape):
            return
        below = self.low is not None and value < self.low
        above = self.high is not None and value > self.high
        if (below or above) and self.escape is not None:
            raise ConfigValueError(
                name, value, f"Value must be between {self.low} and {self.high} or equal to {self.escape}"
            )
        if below:
            raise ConfigValueError(name, value, f"Value must be at least {self.low}")
        if above:
            raise ConfigValueError(name, value, f"Value must be no more than {self.high}")

    def __str__(self) -> str:
        text = f"{self.low} or more" if self.high is None else f"{self.low} to {self.high}"
        return text if self.escape is None else f"{text}, or {self.escape}"


@dataclass(slots=True, frozen=True)
class OneOf:
    """One of these strings."""

    values: tuple[str, ...]
    any_case: bool = False

    def __call__(self, name: str, value: Any) -> None:
        if value is None or value in self.values or (self.any_case and value.upper() in map(str.upper, self.values)):
            return
        cases = " (case insensitive)" if self.any_case else ""
        raise ConfigValueError(name, value, f"String must be one of{cases}: {', '.join(self.values)}")

    def __str__(self) -> str:
        return ", ".join(self.values)


@dataclass(slots=True, frozen=True)
class AllOf:
    """A list in which each item is one of these strings. It may be empty."""

    values: tuple[str, ...]

    def __call__(self, name: str, value: Any) -> None:
        for item in value or ():
            if not item:
                raise ConfigValueError(name, value, "values must not be empty.")
            if item not in self.values:
                raise ConfigValueError(name, item, f"String must be one of: {', '.join(self.values)}")

    def __str__(self) -> str:
        return f"any of {', '.join(self.values)}, separated by commas"


@dataclass(slots=True, frozen=True)
class ThrottledReplicas:
    """`*`, or partition:broker pairs."""

    def __call__(self, name: str, value: Any) -> None:
        if not value or tuple(value) == ("*",):
            return
        pairs = [item.strip().partition(":") for item in value]
        if not all(_is_number(partition) and _is_number(broker) for partition, _, broker in pairs):
            raise ConfigValueError(
                name,
                value,
                f"{name} must be the literal '*' or a list of replicas in the following format: "
                "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
            )

    def __str__(self) -> str:
        return "*, or partition:broker pairs separated by commas"




@dataclass(slots=True, frozen=True, kw_only=True)
class ConfigKey:
    """One row of a table of configs."""

    name: str
    type: ConfigType
    default: Any
    doc: str
    check: Check | None = None
    importance: Importance = Importance.MEDIUM
    mode: UpdateMode = UpdateMode.READ_ONLY
    inert: bool = False
    """Known from Apache Kafka and without an effect here: setting it is worth a warning."""

    @property
    def sensitive(self) -> bool:
        return self.type is ConfigType.PASSWORD

    def parse(self, text: str) -> Any:
        """The typed value of this text. Raises ConfigValueError."""
        value = parse_value(self.name, self.type, text)
        if self.check is not None:
            self.check(self.name, value)
        return value

    @property
    def allowed(self) -> str:
        """The range in words, for an error that should say what would do."""
        if self.type is ConfigType.BOOLEAN:
            return "true or false"
        if self.check is not None:
            return str(self.check)
        return _BOUNDS_TEXT.get(self.type, "")


class ConfigTable:
    """Takes rows one after the other: `key = ConfigTable(); key("name", INT, 1, "What it is.")`, then `key.rows`."""

    def __init__(self, importance: Importance = Importance.MEDIUM) -> None:
        self.rows: list[ConfigKey] = []
        self._importance = importance

    def __call__(
        self,
        name: str,
        kind: ConfigType,
        default: Any,
        doc: str,
        *,
        check: Check | None = None,
        importance: Importance | None = None,
        mode: UpdateMode = UpdateMode.READ_ONLY,
    ) -> None:
        row = ConfigKey(
            name=name,
            type=kind,
            default=default,
            doc=doc,
            check=check,
            importance=importance or self._importance,
            mode=mode,
            inert=self.is_inert(name),
        )
        self.rows.append(row)

    def is_inert(self, name: str) -> bool:
        return False


_BOUNDS: Final = {
    ConfigType.SHORT: (-(2**15), 2**15 - 1),
    ConfigType.INT: (-(2**31), INT_MAX),
    ConfigType.LONG: (-(2**63), LONG_MAX),
}
_BOUNDS_TEXT: Final = {kind: f"a whole number from {low} to {high}" for kind, (low, high) in _BOUNDS.items()}
_DOUBLE: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def parse_value(name: str, kind: ConfigType, text: str) -> Any:
    """What ConfigDef.parseType makes of a text: bool, int, float, str, or a tuple of str. Raises ConfigValueError."""
    trimmed = text.strip()
    if kind is ConfigType.BOOLEAN:
        if trimmed.lower() not in ("true", "false"):
            raise ConfigValueError(name, text, "Expected value to be either true or false")
        return trimmed.lower() == "true"
    if kind in _BOUNDS:
        low, high = _BOUNDS[kind]
        digits = trimmed[1:] if trimmed[:1] in ("+", "-") else trimmed
        if not _is_number(digits) or not low <= int(trimmed) <= high:
            raise ConfigValueError(name, text, f"Not a number of type {kind.name}")
        return int(trimmed)
    if kind is ConfigType.DOUBLE:
        import re  # seldom needed, and long to import

        if not re.fullmatch(_DOUBLE, trimmed):
            raise ConfigValueError(name, text, f"Not a number of type {kind.name}")
        return float(trimmed.rstrip("dDfF"))
    if kind is ConfigType.LIST:
        return tuple([item.strip() for item in trimmed.split(",")]) if trimmed else ()
    return trimmed


def format_value(value: Any) -> str | None:
    """The text that DescribeConfigs shows for a typed value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return "1.7976931348623157E308" if value > 1e308 else repr(value)
    return str(value)
