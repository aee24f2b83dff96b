"""Scenarios as real datagrams and flows; everything made here says that it is simulated."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
