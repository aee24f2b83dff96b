"""Hunts over a lake: regular callers, scans, outgoing transmission, hosts that pass data on; one ranked list."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
