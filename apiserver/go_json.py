"""What Go's JSON parser says of a text that is no JSON.

Source: encoding/json/scanner.go (the texts of ``s.error``), quoteChar.
"""

import json
from typing import Final

UNEXPECTED_END: Final = "unexpected end of JSON input"
_LITERALS: Final = {"t": "true", "f": "false", "n": "null"}
_CONTEXTS: Final = {
    "Extra data": "after top-level value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key "
    "string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}
"""What Python's parser says of a place, and Go's."""


def json_error(text: str) -> str:
    """The text after ``json parse error: ``; what is well-formed ends too soon."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _error_at(text, error)
    return UNEXPECTED_END


def _error_at(text: str, error: json.JSONDecodeError) -> str:
    place, said = error.pos, error.msg
    if said.startswith("Illegal trailing comma"):
        # Python points at the comma, Go at what follows it.
        place = _next_letter(text, place + 1)
    if said.startswith("Unterminated string") or place >= len(text.rstrip()):
        return UNEXPECTED_END
    if said.startswith("Expecting ','"):
        inside = _inside(text[:place])
        return _invalid(text[place], f"after {inside}")
    if said.startswith("Expecting value"):
        return _no_value(text, place)
    if said.startswith("Invalid \\"):
        place += 1
    context = _CONTEXTS.get(said.partition(":")[0] if said not in _CONTEXTS else said)
    return _invalid(text[place], context or "looking for beginning of value")


def _no_value(text: str, place: int) -> str:
    """A value that is none: a word that is not one of the three, or something else."""
    literal = _LITERALS.get(text[place])
    if literal is None:
        following = text[place + 1 : place + 2]
        if text[place] == "-":
            return _invalid(following, "in numeric literal") if following else UNEXPECTED_END
        return _invalid(text[place], "looking for beginning of value")
    for expected, found in zip(literal, text[place:], strict=False):
        if expected != found:
            return _invalid(found, f"in literal {literal} (expecting {_quoted(expected)})")
    return UNEXPECTED_END


def _next_letter(text: str, place: int) -> int:
    return len(text) - len(text[place:].lstrip())


def _inside(before: str) -> str:
    """What has just ended in front of a place where a comma was expected."""
    depth, quoted = 0, False
    for index in range(len(before) - 1, -1, -1):
        letter = before[index]
        if letter == '"' and (index == 0 or before[index - 1] != "\\"):
            quoted = not quoted
        elif not quoted and letter in "}]":
            depth += 1
        elif not quoted and letter in "{[":
            if depth == 0:
                return "object key:value pair" if letter == "{" else "array element"
            depth -= 1
    return "top-level value"


def _invalid(letter: str, context: str) -> str:
    return f"invalid character {_quoted(letter)} {context}"


def _quoted(letter: str) -> str:
    if letter == "'":
        return "'\\''"
    if letter == '"':
        return "'\"'"
    return f"'{letter}'" if letter.isprintable() else f"'{json.dumps(letter)[1:-1]}'"
