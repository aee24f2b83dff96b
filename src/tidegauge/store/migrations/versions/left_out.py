"""Watches remember what of their files was not taken."""

import sqlalchemy as sa
from alembic import op

revision = "left_out"
down_revision = "ports"


def upgrade() -> None:
    if "left_out" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("watches")}:
        op.add_column("watches", sa.Column("left_out", sa.Text(), nullable=False, server_default="[]"))
