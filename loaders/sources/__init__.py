"""The APIs, one module each. A module here that has a `SOURCE` is a pipeline."""

import pkgutil
from importlib import import_module

from loaders.sources.source import Source


def _sources() -> dict[str, Source]:
    modules = (
        import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    )
    found = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]
    return {source.name: source for source in sorted(found, key=lambda source: source.name)}


SOURCES: dict[str, Source] = _sources()
