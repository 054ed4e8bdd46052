"""Bodies as the fake Stripe writes them: JSON with line breaks and indentation, as the real one does."""

from typing import Any

import orjson


def text(body: Any, *, indent: bool = True) -> bytes:
    """Return a body."""
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 if indent else None)
