"""Precision and recall of the hunts over simulated networks, and their speed."""
