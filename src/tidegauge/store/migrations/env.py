"""Runs migrations on the connection that `Store` hands over."""

from alembic import context

from tidegauge.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
