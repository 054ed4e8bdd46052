"""A nasty API that tells the truth afterwards; a program of its own: `python -m headwater.testing.fake_api`.

Belongs here: objects that change, lists of them in the styles of real APIs, everything that real APIs do
wrong (switches that can be turned while it runs), a memory of every state that every object ever had, and the
`rest` document that describes it all. Does not: anything of Headwater, which it knows only as a client.

In a test: `async with serving() as api: …`. As a process: the first line that it prints is its port.
"""

from headwater.testing.fake_api.document import document
from headwater.testing.fake_api.serve import Running, serving
from headwater.testing.fake_api.switches import Switches
from headwater.testing.fake_api.world import World

__all__ = ["Running", "Switches", "World", "document", "serving"]
