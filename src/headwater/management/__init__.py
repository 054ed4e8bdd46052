"""What the API and the console call: every rule about what users may change.

Belongs here: credentials, syncs, keys, `rest` documents; who may see what (P12). Does not: HTTP, the log.
"""
