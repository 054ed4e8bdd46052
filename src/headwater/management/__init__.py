"""What the Management API, the console and the CLI's local commands call: every rule about what users may change.

Belongs here: credentials, syncs, keys, `rest` documents; who may see what (P12). Does not: HTTP, tables of the log.
"""
