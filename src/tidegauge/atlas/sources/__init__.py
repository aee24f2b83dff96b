"""Formats that an edition can come in: each is a small module that turns a file into statements."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
