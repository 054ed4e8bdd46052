"""The command line, `headwater`: words for people and JSON for scripts. No rule lives here.

Belongs here: reading arguments, calling the HTTP API, printing, exit codes (`failures`). Does not: deciding
what may be done, which the API answers. Only `serve`, `demo`, `settings`, `doctor`, `db` and `rest probe`
work on this machine; everything else talks to the server at `HEADWATER_URL`.
"""

import sys


def main() -> None:
    """Run the command of `sys.argv` and exit with a code that scripts can use."""
    from headwater.cli.program import run  # imported here: parts of the program are slow to load and may fail

    sys.exit(run())
