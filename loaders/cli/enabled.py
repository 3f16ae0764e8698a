"""Which pipelines run: those of `SOURCES__ENABLED`, else those with a key, else all of them."""

from dataclasses import dataclass

from loaders import settings, web_logs
from loaders.pipeline.context import INTERNET, THIS_MACHINE, check_base_url, origin_of
from loaders.settings import SettingError
from loaders.sources import SOURCES
from loaders.sources.source import Source

PIPELINES = (*SOURCES, web_logs.NAME)
SETTING = "SOURCES__ENABLED"
EXPECTED = f"expected some of {', '.join(PIPELINES)}"
NO_SAMPLE_API = "http://127.0.0.1"
"""Address of the sample API in commands that make no call."""
NO_NAMES: tuple[str, ...] = ()
_names = settings.some_of(*PIPELINES)


@dataclass(frozen=True)
class Enabled:
    """The pipelines that run."""

    names: tuple[str, ...]
    """In the order of `PIPELINES`."""
    origin: str
    """Where the responses of all of them come from: `THIS_MACHINE` or `INTERNET`."""

    @property
    def sources(self) -> list[Source]:
        return [source for name, source in SOURCES.items() if name in self.names]

    @property
    def left_out(self) -> tuple[str, ...]:
        return tuple(name for name in PIPELINES if name not in self.names)

    def check(self, pipeline: str) -> None:
        """Raise SettingError, with the remedy, if a pipeline is left out."""
        if pipeline in self.names:
            return
        if _named() or pipeline == web_logs.NAME:
            expected = f"expected {pipeline} among the names, to run it"
            raise SettingError(SETTING, ",".join(_named()), expected)
        raise _missing_key(SOURCES[pipeline], [name for name in self.names if name in SOURCES])

    def lines(self) -> list[str]:
        """Return what a run says first: which pipelines are left out, and where to get keys."""
        described = ", ".join(map(_described, self.left_out))
        by = f" by {SETTING}" if _named() else ""
        is_mixed = web_logs.NAME in self.names and self.origin == INTERNET
        return [
            *([f"left out{by}: {described}"] if described else []),
            *([f"{web_logs.NAME}: generated, so made-up rows of usage"] if is_mixed else []),
        ]


def read_enabled() -> Enabled:
    """Read which pipelines run, and check that their rows may meet in one home.

    Raise SettingError.
    """
    named = _named()
    with_key = [name for name in SOURCES if settings.service_key(name)]
    if named:
        apis = [name for name in SOURCES if name in named]
    elif with_key:
        for source in SOURCES.values():
            check_base_url(source)
        apis = with_key
    else:
        apis = list(SOURCES)
    _check_keys(apis, with_key)
    origin = _common_origin(apis)
    has_logs = web_logs.NAME in named if named else origin == THIS_MACHINE
    names = [*apis, *[web_logs.NAME] * has_logs]
    return Enabled(tuple(names), origin)


def read_removed(enabled: Enabled) -> tuple[str, ...]:
    """Read the pipelines whose rows are to leave the warehouse. Raise SettingError."""
    removed = settings.read("sources.remove_rows_of", NO_NAMES, _names, EXPECTED)
    if running := [name for name in removed if name in enabled.names]:
        name, value = "SOURCES__REMOVE_ROWS_OF", ",".join(removed)
        raise SettingError(name, value, f"expected {running[0]} not to run: see {SETTING}")
    return removed


def check_name(pipeline: str | None) -> None:
    """Raise SettingError unless a pipeline has this name."""
    if pipeline not in (None, *PIPELINES):
        known = ", ".join([*PIPELINES, "rds"])
        raise SettingError("the pipeline", pipeline, f"expected one of {known}")


def _named() -> tuple[str, ...]:
    return settings.read("sources.enabled", NO_NAMES, _names, EXPECTED)


def _check_keys(apis: list[str], with_key: list[str]) -> None:
    """Raise SettingError unless all or none of the APIs have a key."""
    keyed = [name for name in apis if name in with_key]
    without_key = [SOURCES[name] for name in apis if name not in with_key]
    if keyed and without_key:
        raise _missing_key(without_key[0], keyed)


def _missing_key(source: Source, keyed: list[str]) -> SettingError:
    setting = settings.environment_name(f"sources.{source.name}.service_key")
    return SettingError(
        setting,
        "",
        f"expected a key (from {source.key_url}), since {keyed[0]} has one: made-up rows never meet"
        " real ones",
    )


def _common_origin(apis: list[str]) -> str:
    """Return where all the APIs' responses come from. Raise SettingError if they differ."""
    origins = {name: _origin(SOURCES[name]) for name in apis}
    if len(set(origins.values())) > 1:
        name = next(name for name in apis if origins[name] == THIS_MACHINE)
        other = next(name for name in apis if origins[name] == INTERNET)
        setting = settings.environment_name(f"sources.{name}.base_url")
        expected = f"expected no address on this machine, since {other} is called on the internet"
        raise SettingError(setting, settings.base_url(name, ""), expected)
    return next(iter(origins.values()), THIS_MACHINE)


def _origin(source: Source) -> str:
    if not settings.service_key(source.name):
        return THIS_MACHINE
    return origin_of(settings.base_url(source.name, source.base_url))


def _described(pipeline: str) -> str:
    if pipeline == web_logs.NAME:
        return f"{pipeline} (made-up rows)"
    if settings.service_key(pipeline):
        return pipeline
    return f"{pipeline} (key: {SOURCES[pipeline].key_url})"
