"""Java properties files, as java.util.Properties.load reads them.

Grammar: a natural line is joined with the next one if it ends in an odd number of backslashes; the next one's leading
white space goes. `#` or `!` first on a line makes a comment (comments are not continued). The key ends at the first
unescaped `=`, `:` or white space. `\\t \\n \\r \\f \\uXXXX` are escapes, any other escaped character stands for
itself. The bytes are ISO-8859-1. A key that occurs again replaces the one before.

Own code, because a dependency would cost more to import than these few lines to read.
"""

from __future__ import annotations

__all__ = ["PropertiesError", "format_properties", "parse_properties"]

_BLANK = " \t\f"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class PropertiesError(ValueError):
    """A malformed `\\uXXXX`. Everything else is valid."""


def parse_properties(data: bytes) -> dict[str, str]:
    """Keys and values in order of first occurrence."""
    properties: dict[str, str] = {}
    for number, line in _logical_lines(data.decode("latin-1")):
        end = 0
        while end < len(line) and line[end] not in "=:" + _BLANK:
            end += 2 if line[end] == "\\" else 1
        rest = line[end:].lstrip(_BLANK)
        if rest[:1] in ("=", ":"):
            rest = rest[1:].lstrip(_BLANK)
        properties[_unescape(line[:end], number)] = _unescape(rest, number)
    return properties


def format_properties(properties: dict[str, str], comment: str = "") -> bytes:
    """A file that `parse_properties` reads back; keys and values are kept in order."""
    lines = [f"#{comment}"] if comment else []
    lines += [f"{_escape(key, is_key=True)}={_escape(value, is_key=False)}" for key, value in properties.items()]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(number of its first natural line, logical line) for each that is neither blank nor a comment."""
    lines: list[tuple[int, str]] = []
    pending = ""
    started = 0
    for number, natural in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        line = natural.lstrip(_BLANK)
        if not started:
            if not line or line[0] in "#!":
                continue
            started = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            pending += line[:-1]
            continue
        lines.append((started, pending + line))
        pending, started = "", 0
    if started:
        lines.append((started, pending))
    return lines


def _unescape(text: str, number: int) -> str:
    if "\\" not in text:
        return text
    out: list[str] = []
    units: list[int] = []
    i = 0
    while i < len(text):
        char = text[i]
        if char != "\\":
            out.append(char)
            i += 1
            continue
        char = text[i + 1 : i + 2]
        if char == "u":
            digits = text[i + 2 : i + 6]
            try:
                if len(digits) != 4 or not digits.isalnum():
                    raise ValueError(digits)
                units.append(int(digits, 16))
            except ValueError as error:
                raise PropertiesError(f"line {number}: malformed \\u{digits}") from error
            out.append(chr(units[-1]))
            i += 6
            continue
        out.append(_ESCAPES.get(char, char))
        i += 2
    # Escapes are UTF-16 units: a pair of surrogates is one character.
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace") if units else "".join(out)


def _escape(text: str, *, is_key: bool) -> str:
    out: list[str] = []
    for i, char in enumerate(text):
        if char in "\\=:#!" or (char == " " and (is_key or i == 0)):
            out.append("\\" + char)
        elif char in "\t\n\r\f":
            out.append({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}[char])
        elif " " <= char <= "~":
            out.append(char)
        else:
            units = char.encode("utf-16-be")
            out.extend(f"\\u{units[j] << 8 | units[j + 1]:04X}" for j in range(0, len(units), 2))
    return "".join(out)
