"""What Alembic runs for each upgrade: the migrations, on the connection that `migrate` has opened.

It never connects by itself, and the transaction around it is `migrate`'s.
"""

from alembic import context

from headwater.store import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,  # for its naming convention
    transactional_ddl=True,  # SQLite too: connections begin by themselves
)
context.run_migrations()
