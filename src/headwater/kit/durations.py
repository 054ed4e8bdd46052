"""Durations as people write them: `30s`, `15m`, `1h30m`, `7d`, or ISO 8601 (`PT36H`, `P7D`).

No years and months: their lengths differ.
"""

import re
from datetime import timedelta

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_NUMBER = r"\d{1,9}(?:\.\d{1,6})?"
_SHORT = re.compile(rf"({_NUMBER})(ms|[wdhms])", re.ASCII)
_ISO = re.compile(
    rf"P(?:({_NUMBER})W)?(?:({_NUMBER})D)?(?:T(?=\d)(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?",
    re.ASCII,
)


def parse(text: str) -> timedelta:
    """Return the duration that a text says.

    Raises: ValueError with a sentence for people.
    """
    compact = "".join(text.split())
    if (iso := _ISO.fullmatch(compact.upper())) and any(iso.groups()):
        pairs = zip(iso.groups(), ("w", "d", "h", "m", "s"), strict=True)
    elif compact and not _SHORT.sub("", compact.lower()):
        pairs = ((match[1], match[2]) for match in _SHORT.finditer(compact.lower()))
    else:
        raise ValueError('not a duration: write it as "30s", "15m", "4h", "7d" or "1h30m"')
    return sum((float(number) * _UNITS[unit] for number, unit in pairs if number), timedelta())


def show(duration: timedelta) -> str:
    """Return a duration in the short form, in its largest units: `1d12h`; `0s` for none."""
    left, parts = duration, list[str]()
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
