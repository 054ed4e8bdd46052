"""Where consumers write: one file per kind of target, named in `table`.

A target knows how to check, write and close, and nothing else: loops, retries, batches, metrics and shutdown
are `consumers`'. Targets do not know each other; what they share is `target`. Drivers are extras, imported at
first use.
"""
