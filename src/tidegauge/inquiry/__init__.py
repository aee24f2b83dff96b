"""Questions to answers: a site's flows or a file's series, judged, with what the answer rests on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
