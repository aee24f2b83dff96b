"""Watches: named assets with their indicators and the times for which these hold, and which flows touch them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
