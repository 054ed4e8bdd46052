"""The nouns, as frozen values. No I/O, no clock, nothing that knows a database or an API.

Inside, instants on the hot path are `int` microseconds since 1970 UTC and end in `_us`; elsewhere they are
aware UTC datetimes and end in `_at`.
"""
