"""How far an API's clock is from ours, as its `Date` headers show."""

from collections import deque
from statistics import median

TOLERATED_US = 1_500_000
"""`Date` has whole seconds and an answer takes a while: less than this is no skew."""
SAMPLES = 9


class Skew:
    """The offset of an API's clock, the same until many answers say something else.

    It is the median of the last answers, so that one that lies (out of a cache, say) changes nothing, and
    it moves only when it is clearly wrong, so that instants of requests keep their order.
    """

    def __init__(self) -> None:
        self.offset_us = 0
        self._samples: deque[int] = deque(maxlen=SAMPLES)

    def hear(self, date_us: int, asked_us: int, answered_us: int) -> None:
        """Take in the `Date` of an answer that was asked for and began at these instants of our clock.

        It was made somewhere in between, in the second that the date names: any offset by which that can
        be true is as good as the one we have.
        """
        least, most = date_us - answered_us, date_us + 1_000_000 - asked_us
        fits = least <= self.offset_us <= most
        self._samples.append(self.offset_us if fits else (least + most) // 2)
        middle = int(median(self._samples))
        if abs(middle - self.offset_us) > TOLERATED_US:
            self.offset_us = middle
