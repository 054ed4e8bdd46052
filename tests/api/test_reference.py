"""`docs/reference/api.md` names the calls that there are."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_call_is_in_the_reference() -> None:
    """By its path; ids may have shorter names there."""
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    document = json.loads((ROOT / "tests" / "shapes" / "openapi.json").read_text())

    def plain(path: str) -> str:
        return re.sub(r"\{[^}]*\}", "{}", path)

    named = {plain(path) for path in re.findall(r"(/(?:v1|link|webhooks|health|metrics)[^\s`?]*)", text)}
    for path in document["paths"]:
        base = re.sub(r"/\{[^}]*\}$", "", path)
        assert plain(path) in named or f"`GET {base}`, `POST`" in text, path
