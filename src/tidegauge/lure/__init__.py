"""Lures: mails, messages and links that make a host somebody else's, judged by what they show and where they lead."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
