"""Golden answers: JSON files beside the tests. `HEADWATER_SHAPES=write` writes them anew."""

import json
import os
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_KEY = re.compile(r"hw_[A-Za-z0-9_-]+")


def golden(name: str, answer: Any) -> None:
    """Compare an answer with its golden file: members, their order, and every value that is not chance."""
    path = FOLDER / f"{name}.json"
    text = stable(json.dumps(answer, indent=2, ensure_ascii=False)) + "\n"
    if os.environ.get("HEADWATER_SHAPES") == "write":
        path.write_text(text)
    assert text == path.read_text(), f"the shape of {name} has changed: clients see it"


def stable(text: str) -> str:
    """Number ids by their order, and hide keys: they differ from run to run."""
    seen: dict[str, str] = {}
    text = _ID.sub(lambda found: seen.setdefault(found[0], f"id {len(seen) + 1}"), text)
    return _KEY.sub("hw_…", text)
