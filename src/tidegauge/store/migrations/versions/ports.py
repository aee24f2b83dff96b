"""Indicators have the ports that belong to them; a watch's ports narrow its other indicators no longer."""

import sqlalchemy as sa
from alembic import op

from tidegauge.store.legacy import pair_ports

revision = "ports"
down_revision = "cases"


def upgrade() -> None:
    op.create_table(
        "indicators_new",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("watch", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("from_s", sa.BigInteger(), nullable=False),
        sa.Column("until_s", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("far_port", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("home_port", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("watch", "kind", "value", "from_s", "until_s", "far_port", "home_port"),
    )
    columns = "watch, kind, value, from_s, until_s, source"
    op.execute(f"INSERT INTO indicators_new ({columns}) SELECT {columns} FROM indicators ORDER BY id")
    op.drop_table("indicators")
    op.rename_table("indicators_new", "indicators")
    pair_ports(op.get_bind())
