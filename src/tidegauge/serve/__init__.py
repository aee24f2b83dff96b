"""The service: questions by a bounded pool, live judgement, alerts, and the group of processes that does all this."""
