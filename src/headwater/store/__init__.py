"""The database itself: connections, schema, migrations, leases with fencing, the vault.

Belongs here: how rows are kept. Does not: what they mean (`management`, `syncs`), the hot statements of the
log (`streams`).
"""
