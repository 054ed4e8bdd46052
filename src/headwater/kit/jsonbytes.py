"""JSON kept as bytes: cut, shortened and compared by value. Not here: what any member means.

The fast paths are msgspec's. It refuses what it cannot decode to Python (lone surrogates, nesting beyond the
interpreter's limit) and whole pages for one bad element; then the scanners of `jsonscan` take over, which
keep the bytes. Numbers are compared exactly, as decimals of any length, never as floats.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NoReturn

import msgspec

from headwater.kit import jsonscan

_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a text that it does not take, which may be JSON all the same."""

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def compact(raw: bytes) -> bytes:
    """Return the same tokens, each spelled as it is, without white space between them.

    Raises: ValueError if it is not one JSON value in UTF-8.
    """
    try:
        short = msgspec.json.format(raw, indent=-1)
    except _REFUSED:
        return b"".join(jsonscan.tokens(raw))
    if not short.isascii():
        short.decode("utf-8")  # msgspec looks into strings only for their end
    return short


def cut(body: bytes, path: Sequence[str]) -> list[bytes]:
    """Return the raw elements of the array at `path`; an empty path says that the body is the array.

    For pages that the fast cutter refuses. An element that is broken inside (`NaN`, a bad escape, not UTF-8)
    is cut out like the others, for its reader to refuse. One that is missing (`[1,,2]`) is empty.

    Raises: ValueError if there is no such array, or the body is not whole: half a page is never the end.
    """
    value = body.removeprefix(BOM_UTF8)
    for name in path:
        inner = _scan_members(value).get(name)
        if inner is None:
            raise ValueError(f"no member {'.'.join(path)}")
        value = inner
    return jsonscan.parts(value, b"[]")


def members(raw: bytes) -> dict[str, bytes]:
    """Return the members of an object, name to raw value, in their order; of a repeated name the last.

    Only strings and brackets are understood where the fast parser refuses, so a value may be broken inside.

    Raises: ValueError if it is not an object.
    """
    try:
        return {name: bytes(value) for name, value in _decode_members(raw).items()}
    except _REFUSED:
        return _scan_members(raw)


def get(raw: bytes, path: Sequence[str]) -> Any:
    """Return the decoded value at `path` through objects, None if there is none. Integers are exact.

    Raises: ValueError if `raw` is not JSON on the way to it.
    """
    value = raw.removeprefix(BOM_UTF8)
    for name in path:
        if value.lstrip(jsonscan.WHITE)[:1] != b"{":
            return None
        inner = members(value).get(name)
        if inner is None:
            return None
        value = inner
    return json.loads(value.decode("utf-8"), parse_constant=_refuse)


def lasting(raw: bytes, ignore: frozenset[str]) -> bytes:
    """Return an object without the members in `ignore`, for a fingerprint that lasts although they change.

    Raises: ValueError if it is not an object.
    """
    return _join({name: value for name, value in members(raw).items() if name not in ignore})


def changed(
    old: bytes, new: bytes, *, nested: str | None = None, ignore: frozenset[str] = frozenset()
) -> bytes | None:
    """Return the prior values of the members that differ by value, as a JSON object; None if none does.

    Shape:  old {"a": 1, "b": 2}, new {"a": 3, "b": 2, "c": 4}  ->  {"a": 1, "c": null}
            nested="p", old {"p": {"a": 1, "b": 2}}, new {"p": {"a": 3, "b": 2}}  ->  {"p": {"a": 1}}
    Absent before = null. Members in the old object's order, then new ones. A deep change reports the whole
    member, or with `nested` the whole member of that member. Members in `ignore` (top level) never count.

    Raises: ValueError if one of them is not JSON, or not an object.
    """
    before, after = members(old), members(new)
    prior: dict[str, bytes] = {}
    for name in before | after:
        was, now = before.get(name), after.get(name)
        if name in ignore or was == now:
            continue
        if was is None:
            prior[name] = b"null"
        elif now is None:
            prior[name] = compact(was)
        elif name == nested and was[:1] == now[:1] == b"{":
            inner = changed(was, now)
            if inner is not None:
                prior[name] = inner
        elif not same(was, now):
            prior[name] = compact(was)
    return _join(prior) if prior else None


def same(a: bytes, b: bytes) -> bool:
    """Say whether two JSON texts are one value: the order of members, white space and spelling do not count.

    Numbers are compared exactly (`1`, `1.0` and `1e0` are one; `-0` is `0`; `true` is not `1`), strings by
    their characters (`"\\u0041"` is `"A"`; a lone surrogate is itself). Of repeated names the last counts.

    Raises: ValueError if they differ and one is not JSON.
    """
    if a == b:
        return True
    try:
        return _decode_exact(a.decode("utf-8")) == _decode_exact(b.decode("utf-8"))
    except RecursionError:
        return _digest(a) == _digest(b)


def _scan_members(raw: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in jsonscan.parts(raw, b"{}"):
        member = _MEMBER.match(part)
        if member is None:
            raise ValueError("a member without name and colon")
        found[_text(member[1])] = part[member.end() :]
    return found


_MEMBER = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\n\r]*+:[ \t\n\r]*+', re.DOTALL)


def _text(token: bytes) -> str:
    """Return the characters of a string token."""
    return str(json.loads(token.decode("utf-8")))


def _join(named: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(b"%b:%b" % (_quoted(name), value) for name, value in named.items()) + b"}"


def _quoted(name: str) -> bytes:
    try:
        return msgspec.json.encode(name)
    except UnicodeEncodeError:  # a lone surrogate: escaped, as it came
        return json.dumps(name).encode("ascii")


_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)0*([0-9]*))?")
_LONGEST_EXPONENT = 4000
"""Digits. Python refuses to read integers of more than 4300; longer exponents are compared as spelled."""


def _number(spelled: str) -> tuple[str, str, int | str]:
    """Return sign, digits and exponent, equal for equal numbers. A tuple equals no other JSON value."""
    found = _NUMBER.fullmatch(spelled)
    if found is None:
        raise ValueError("not a number")
    sign, whole, fraction, exponent_sign, exponent = found.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return "", "", 0
    if len(exponent) > _LONGEST_EXPONENT:
        return sign, f"{whole}.{fraction}", exponent_sign.strip("+") + exponent
    shift = len(digits) - len(significant) - len(fraction)
    return sign, significant, int(f"{exponent_sign}{exponent or 0}") + shift


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"not JSON: {constant}")


_decode_exact = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_refuse).decode


def _digest(raw: bytes) -> bytes:
    """Return a digest that two texts share only if they are one value (256 bits), for any depth of nesting.

    Each value is digested when it closes: arrays from their elements in order, objects from sorted members.
    """
    outer: list[list[bytes]] = []
    values: list[bytes] = []
    for token in jsonscan.tokens(raw):
        match token:
            case b"{" | b"[":
                outer.append(values)
                values = []
            case b"}":
                latest = dict(zip(values[::2], values[1::2], strict=True))
                digest = _hash(b"{", *(name + latest[name] for name in sorted(latest)))
                values = outer.pop()
                values.append(digest)
            case b"]":
                digest = _hash(b"[", *values)
                values = outer.pop()
                values.append(digest)
            case b"," | b":":
                pass
            case _ if token[:1] == b'"':
                values.append(_hash(b'"', _text(token).encode("utf-8", "surrogatepass")))
            case b"true" | b"false" | b"null":
                values.append(_hash(token))
            case _:
                values.append(_hash(b"0", repr(_number(token.decode("ascii"))).encode("ascii")))
    return values[0]


def _hash(*pieces: bytes) -> bytes:
    return blake2b(b"".join(pieces), digest_size=32).digest()
