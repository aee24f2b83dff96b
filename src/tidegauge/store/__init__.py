"""What people write, and what the service keeps for them: watches, closed findings, users, audit, alarms."""

from tidegauge.store.database import Store, note_change, put
from tidegauge.store.keys import site_key

__all__ = ["Store", "note_change", "put", "site_key"]
