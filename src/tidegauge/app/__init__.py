"""What the command line and the API have in common: questions as they are put, and the functions that answer them.

Names are looked up in their modules when they are first used, so that no verb starts with the libraries of all;
`luring` and `leaking` are imported by who calls them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
