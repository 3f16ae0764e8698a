"""The APIs, one module each. A module here that has a `SOURCE` is a pipeline."""

import pkgutil
from importlib import import_module

from loaders.sources.source import Source


def _sources() -> dict[str, Source]:
    modules = (import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    sources = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]
    return {source.name: source for source in sorted(sources, key=lambda source: source.name)}


SOURCES: dict[str, Source] = _sources()
"""The sources by name, in the order of their names."""
