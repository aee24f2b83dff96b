"""The case file: who claims what, sealed evidence, hypotheses weighed, requests, decisions, and what goes out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
