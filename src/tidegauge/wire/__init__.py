"""Bytes to flow batches: what lies in files and datagrams becomes flows of one schema."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
