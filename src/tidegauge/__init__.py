"""tidegauge answers "did it come through us?" from flow records, and can prove a no."""

__version__ = "0.1.0"
