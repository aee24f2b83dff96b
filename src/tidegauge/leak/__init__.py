"""Leaks: whose data lie in this; found by form, check digits, labels and columns, and never shown in full."""

from tidegauge.leak.kept import Kept, Looked
from tidegauge.leak.people import People
from tidegauge.leak.scan import Scan, masked

__all__ = ["Kept", "Looked", "People", "Scan", "masked"]
