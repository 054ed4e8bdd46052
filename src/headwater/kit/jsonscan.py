"""Scanners for JSON bytes that the fast parser refuses: no recursion, no decoding, every byte kept.

Two of them. `tokens` is strict: it accepts exactly JSON in UTF-8. `parts` is tolerant: it understands only
strings and brackets, so that what is broken inside one part does not cost the others. Both are slow (a
microsecond for a few tokens) and used only where the fast parser gives up: lone surrogates, nesting a
thousand deep, one bad element.
"""

import re
from collections.abc import Iterator

WHITE = b" \t\n\r"

_TOKEN = re.compile(
    rb"""[ \t\n\r]*+(
        "[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"
      | -?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?
      | true | false | null
      | [\[\]{},:]
    )""",
    re.VERBOSE,
)
_WHITE_TO_END = re.compile(rb"[ \t\n\r]*+\Z")

# What may come next is a string of kinds; a token's kind is its first character, `0` for all other scalars.
_VALUE = '{["0'
_FIRST_VALUE = _VALUE + "]"
_NAME = '"'
_FIRST_NAME = '"}'
_AFTER = {"{": ",}", "[": ",]"}


def tokens(raw: bytes) -> Iterator[bytes]:
    """Yield the tokens of one JSON value as they are spelled, without the white space between them.

    Raises: ValueError for anything that is not one JSON value in UTF-8, after the tokens before the mistake.
    """
    if not raw.isascii():
        raw.decode("utf-8")
    opened: list[str] = []
    wanted, at = _VALUE, 0
    while wanted:
        found = _TOKEN.match(raw, at)
        if found is None:
            raise ValueError(f"not JSON at byte {at}")
        token, at = found[1], found.end()
        kind = chr(token[0]) if token[0] in b'{}[],:"' else "0"
        if kind not in wanted:
            raise ValueError(f"not JSON before byte {at}")
        yield token
        if kind in "{[":
            opened.append(kind)
            wanted = _FIRST_NAME if kind == "{" else _FIRST_VALUE
        elif kind == '"' and wanted in (_NAME, _FIRST_NAME):
            wanted = ":"
        elif kind == ":":
            wanted = _VALUE
        elif kind == ",":
            wanted = _NAME if opened[-1] == "{" else _VALUE
        else:
            if kind in "}]":
                opened.pop()
            wanted = _AFTER[opened[-1]] if opened else ""
    if not _WHITE_TO_END.match(raw, at):
        raise ValueError(f"not JSON: more than one value, at byte {at}")


_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_CLOSER = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE, _COMMA = ord('"'), ord(",")


def parts(raw: bytes, brackets: bytes) -> list[bytes]:
    """Return what stands between the commas of an array (`brackets` is `[]`) or object (`{}`), stripped.

    Raises: ValueError if it is no such thing, ends too early, or its brackets do not pair.
    """
    raw = raw.strip(WHITE)
    if raw[:1] != brackets[:1]:
        raise ValueError(f"expected {brackets.decode()}")
    found: list[bytes] = []
    closers, start = bytearray(), 1
    for mark in _MARK.finditer(raw):
        at = mark.start()
        code = raw[at]
        if code == _QUOTE:
            if mark.end() == at + 1:
                raise ValueError(f"the string at byte {at} does not end")
        elif code == _COMMA:
            if len(closers) == 1:
                found.append(raw[start:at].strip(WHITE))
                start = at + 1
        elif code in _CLOSER:
            closers.append(_CLOSER[code])
        elif closers.pop() != code:
            raise ValueError(f"the bracket at byte {at} closes another kind")
        elif not closers:
            if at != len(raw) - 1:
                raise ValueError(f"more than one value, at byte {at + 1}")
            last = raw[start:at].strip(WHITE)
            return [*found, last] if found or last else []
    raise ValueError("ends before its brackets are closed")
