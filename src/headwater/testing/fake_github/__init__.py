"""A GitHub that tells the truth afterwards; a program: `python -m headwater.testing.fake_github`.

Belongs here: repositories and what is in them, the REST API that reads and changes them with GitHub's paging,
limits, redirects and conditional answers, Apps and their tokens, webhooks with their deliveries, and switches
for what goes wrong. Does not: anything of Headwater, which it knows only as a client.

In a test: `async with serving() as github: …`. As a process: the first line that it prints is its port.
"""

from headwater.testing.fake_github.repo import Repo
from headwater.testing.fake_github.serve import Running, serving
from headwater.testing.fake_github.switches import Switches
from headwater.testing.fake_github.world import World

__all__ = ["Repo", "Running", "Switches", "World", "serving"]
