"""Labelled flows on disk: immutable Parquet segments, their manifest, and reading them through DuckDB."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
