"""`python -m loaders.sample_api`: the sample API in a process of its own, till Ctrl-C."""

import argparse
import sys
import threading
from datetime import date
from pathlib import Path

from loaders.sample_api.server import SampleApi
from loaders.sample_api.service import KEY, RecordingError
from loaders.settings import non_negative_integer


class _OneLine(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        sys.exit(_refuse(message))


def _refuse(message: str) -> int:
    print(f"sample API: {message}", file=sys.stderr)
    return 2


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: wants a date such as 2026-11-22") from None


def _count(text: str) -> int:
    try:
        return non_negative_integer(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: wants a whole number") from None


def main(arguments: list[str] | None = None) -> int:
    parser = _OneLine(prog="python -m loaders.sample_api", description=__doc__)
    parser.add_argument("--port", type=_count, default=8765)
    parser.add_argument("--recordings", type=Path, metavar="DIR")
    parser.add_argument("--today", type=_date, metavar="2026-11-22")
    parser.add_argument("--allowance", type=_count, metavar="N")
    options = parser.parse_args(arguments)
    try:
        with SampleApi(**vars(options)) as api:
            print(f"The sample API answers on {api.url}. Set:")
            for name, url in api.base_urls().items():
                print(f"  SOURCES__{name.upper()}__BASE_URL={url}")
                print(f"  SOURCES__{name.upper()}__SERVICE_KEY={KEY}")
            print("  HELLO_KOREA_HOME=<a new folder, so that its answers mix with no others>")
            if options.recordings:
                print("  HELLO_KOREA_TODAY=<the day that the rows were recorded>")
            print("Ctrl-C ends it.", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except RecordingError as error:
        return _refuse(str(error))
    except (OSError, OverflowError) as error:
        return _refuse(f"can't listen on port {options.port}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
