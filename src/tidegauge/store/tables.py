"""The tables of what people write, and of what the service keeps for them; times are UTC epoch seconds."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()
LONG = BigInteger().with_variant(Integer, "sqlite")

watches = Table(
    "watches", metadata,
    Column("name", String(64), primary_key=True), Column("note", Text, nullable=False),
    Column("sizes", Text, nullable=False), Column("left_out", Text, nullable=False, server_default="[]"),
)
indicators = Table(
    "indicators", metadata,
    Column("id", LONG, primary_key=True, autoincrement=True),
    Column("watch", String(64), nullable=False), Column("kind", String(16), nullable=False),
    Column("value", Text, nullable=False), Column("from_s", BigInteger, nullable=False),
    Column("until_s", BigInteger, nullable=False), Column("source", Text, nullable=False),
    Column("far_port", Integer, nullable=False, server_default="0"),
    Column("home_port", Integer, nullable=False, server_default="0"),
    UniqueConstraint("watch", "kind", "value", "from_s", "until_s", "far_port", "home_port"),
)
closed = Table(
    "closed", metadata,
    Column("id", String(32), primary_key=True), Column("reason", Text, nullable=False),
    Column("until_s", BigInteger, nullable=False), Column("closed_s", BigInteger, nullable=False),
    Column("title", Text),
)
found = Table(
    "found", metadata,
    Column("id", String(32), primary_key=True), Column("kind", String(32)), Column("subject", Text),
    Column("title", Text), Column("first_s", BigInteger), Column("last_s", BigInteger),
    Column("severity", String(16)),
    Column("score", Float), Column("peers", Text), Column("body", Text), Column("noted_s", BigInteger),
    Index("found_subject", "subject"),
)
editions = Table(
    "editions", metadata,
    Column("id", String(32), primary_key=True), Column("source", Text, nullable=False), Column("date_s", BigInteger),
    Column("format", Text), Column("licence", Text), Column("origin", Text), Column("hash", String(128)),
    Column("prefixes", BigInteger), Column("ases", BigInteger), Column("classes", BigInteger),
    Column("from_s", BigInteger), Column("until_s", BigInteger), Column("skipped", Text),
    Column("added_s", BigInteger),
    UniqueConstraint("source", "hash", "date_s"),
)
fetched = Table(
    "fetched", metadata,
    Column("source", String(200), primary_key=True), Column("url", Text), Column("etag", Text),
    Column("modified", Text), Column("checked_s", BigInteger),
)
changes = Table(
    "changes", metadata,
    Column("name", String(64), primary_key=True), Column("number", BigInteger, nullable=False),
)
taken_over = Table("taken_over", metadata, Column("path", String(500), primary_key=True))
users = Table(
    "users", metadata,
    Column("name", String(128), primary_key=True), Column("role", String(16), nullable=False),
    Column("password", Text),
    Column("subject", Text), Column("created_s", BigInteger, nullable=False), UniqueConstraint("subject"),
)
sessions = Table(
    "sessions", metadata,
    Column("hash", String(64), primary_key=True), Column("user", String(128), nullable=False),
    Column("role", String(16), nullable=False), Column("csrf", String(64), nullable=False),
    Column("created_s", BigInteger, nullable=False), Column("seen_s", BigInteger, nullable=False),
    Column("ends_s", BigInteger, nullable=False), Index("sessions_user", "user"),
)
tokens = Table(
    "tokens", metadata,
    Column("name", String(128), primary_key=True), Column("user", String(128), nullable=False),
    Column("hash", String(64), nullable=False, unique=True), Column("created_s", BigInteger, nullable=False),
    Column("ends_s", BigInteger), Column("used_s", BigInteger),
)
links = Table(
    "links", metadata,
    Column("hash", String(64), primary_key=True), Column("ends_s", BigInteger, nullable=False),
)
attempts = Table(
    "attempts", metadata,
    Column("id", LONG, primary_key=True, autoincrement=True), Column("who", String(200), nullable=False),
    Column("at_s", Float, nullable=False), Index("attempts_who", "who", "at_s"),
)
audit = Table(
    "audit", metadata,
    Column("number", LONG, primary_key=True, autoincrement=False), Column("at_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False), Column("what", Text, nullable=False), Column("detail", Text, nullable=False),
    Column("before", String(64), nullable=False), Column("hash", String(64), nullable=False),
)
alarms = Table(
    "alarms", metadata,
    Column("id", String(32), primary_key=True), Column("series", String(200), nullable=False),
    Column("state", String(16), nullable=False), Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False), Column("opened_s", BigInteger, nullable=False),
    Column("updated_s", BigInteger, nullable=False), Column("ended_s", BigInteger),
    Column("body", Text, nullable=False),
    Index("alarms_series", "series", "state"), Index("alarms_start", "start_s"),
)
outbox = Table(
    "outbox", metadata,
    Column("id", LONG, primary_key=True, autoincrement=True), Column("channel", String(64), nullable=False),
    Column("about", String(64), nullable=False), Column("event", String(16), nullable=False),
    Column("body", Text, nullable=False), Column("created_s", Float, nullable=False),
    Column("next_s", Float, nullable=False), Column("tries", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("error", Text, nullable=False), UniqueConstraint("channel", "about", "event"),
    Index("outbox_next", "state", "next_s"),
)
silences = Table(
    "silences", metadata,
    Column("id", String(32), primary_key=True), Column("what", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False), Column("created_s", BigInteger, nullable=False),
    Column("until_s", BigInteger, nullable=False),
)
kept = Table(
    "kept", metadata,
    Column("name", String(128), primary_key=True), Column("value", Text, nullable=False),
)
cases = Table(
    "cases", metadata,
    Column("name", String(64), primary_key=True), Column("title", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)
case_entries = Table(
    "case_entries", metadata,
    Column("case_name", String(64), primary_key=True),
    Column("number", LONG, primary_key=True, autoincrement=False), Column("at_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False), Column("kind", String(32), nullable=False),
    Column("id", String(32), nullable=False), Column("about", String(300), nullable=False),
    Column("body", Text, nullable=False), Column("before", String(64), nullable=False),
    Column("hash", String(64), nullable=False), Column("seal", String(64), nullable=False),
    Index("case_entries_about", "case_name", "about"),
)
