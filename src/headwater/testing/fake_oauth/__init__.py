"""A stand-in of an API's OAuth 2; a program of its own: `python -m headwater.testing.fake_oauth`.

Belongs here: the page where a user agrees (who agrees at once, or declines), the token endpoint with codes
that work once, PKCE, refresh tokens that rotate or not, tokens that expire, access that is revoked, answers
that fail; and `/me`, which tells whose a token is. Does not: anything of Headwater.

In a test: `async with serving() as api: …`. As a process: the first line that it prints is its port.
"""

from headwater.testing.fake_oauth.authority import Authority, Switches
from headwater.testing.fake_oauth.serve import Running, serving

__all__ = ["Authority", "Running", "Switches", "serving"]
