"""Content taken apart: mails, pages, documents, archives and pictures, by libraries kept at arm's length."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
