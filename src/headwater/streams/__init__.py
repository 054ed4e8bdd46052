"""The record stream and the event stream: the log, its engines, the cursors of its readers, its retention.

Belongs here: whatever commits to or reads from the log. Does not: deciding what changed (`syncs`), HTTP
(`api`).
"""
