"""A small fake CRM, a program of its own: `python -m headwater.demo`. It shows Headwater at work without an
account.

Belongs here: a made-up company's customers, how they change by themselves, and an HTTP API on them with the
manners of real ones (limits, late rows, ties, deletes that show in three ways, an answer that fails now and
then). Does not: anything of Headwater. It is started as a process, imports nothing of the product, and
speaks to it over HTTP only.
"""
