"""What people write, and what the service keeps for them: watches, closed findings, users, audit, alarms."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
