"""What an address displayed at a time: editions of sources, labelling flows with them, and how far to believe it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
