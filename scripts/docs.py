"""Write the pages of docs/ that follow from the code. `make docs` calls it; tests/test_docs.py compares."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from scripts import github_page, stripe_page, target_pages

from headwater.cli import reference as cli
from headwater.providers import rest
from headwater.providers.rest import reference
from headwater.targets.table import KINDS

DOCS = Path(__file__).parents[1] / "docs"
PAGES: dict[str, Callable[[], str]] = {
    "providers/github.md": partial(github_page.page, DOCS / "providers" / "github.md"),
    "providers/stripe.md": partial(stripe_page.page, DOCS / "providers" / "stripe.md"),
    "reference/commands.md": cli.commands_page,
    "reference/rest-document.md": reference.page,
    "reference/rest-document.schema.json": lambda: json.dumps(rest.json_schema(), indent=1) + "\n",
    "reference/settings.md": cli.settings_page,
    "targets/README.md": partial(target_pages.index, KINDS),
    **{
        f"targets/{kind.name}.md": partial(target_pages.page, kind, DOCS / "targets" / f"{kind.name}.md")
        for kind in KINDS
    },
}
"""Page to what makes it."""


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        page = DOCS / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
