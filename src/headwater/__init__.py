"""Headwater syncs the data of third-party APIs into a record stream and an event stream.

The packages are the data path, left to right: `providers` fetch, `syncs` decide and ingest, `streams` commit
and read. `management` is what the API and the CLI call; `store` is the database; `app` puts all together.
"""
