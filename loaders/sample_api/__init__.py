"""A stand-in for the public APIs on loopback: their wire formats, quirks and errors."""

from loaders.sample_api.server import SampleApi
from loaders.sample_api.service import KEY, RecordingError

__all__ = ["KEY", "RecordingError", "SampleApi"]
