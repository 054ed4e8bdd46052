"""From an API into the streams: when to ask, what changed, what is committed.

Belongs here: the detectors (backfill, poll, sweep), `ingest` in which they all end, the runner that shares
syncs between processes. Does not: how an API is asked (`providers`), how the log is kept (`streams`).
"""
