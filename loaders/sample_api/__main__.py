"""`python -m loaders.sample_api`: the sample API in its own process, until Ctrl-C."""

import argparse
import sys
import threading
from datetime import date
from pathlib import Path

from loaders.sample_api.server import SampleApi
from loaders.sample_api.service import KEY, RecordingError
from loaders.settings import non_negative_integer


class _OneLineParser(argparse.ArgumentParser):
    """A parser that reports a bad option in one line, without the usage."""

    def error(self, message: str) -> None:  # type: ignore[override]
        sys.exit(_report_error(message))


def _report_error(message: str) -> int:
    """Print the message to stderr and return the exit code 2."""
    print(f"sample API: {message}", file=sys.stderr)
    return 2


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a date such as 2026-11-22") from None


def _count(text: str) -> int:
    try:
        return non_negative_integer(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a non-negative integer") from None


def _print_settings(api: SampleApi) -> None:
    """Print the settings that point the pipelines at the sample API."""
    print(f"The sample API listens on {api.url}. Set:")
    for name, url in api.base_urls().items():
        print(f"  SOURCES__{name.upper()}__BASE_URL={url}")
        print(f"  SOURCES__{name.upper()}__SERVICE_KEY={KEY}")
    print("  HELLO_KOREA_HOME=<a new folder, so that its responses mix with no others>")
    if api.recordings:
        print("  HELLO_KOREA_TODAY=<the date on which the rows were recorded>")
    print("Press Ctrl-C to stop.", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the sample API until Ctrl-C. Return 0, or 2 for a bad option, folder or port."""
    parser = _OneLineParser(prog="python -m loaders.sample_api", description=__doc__)
    parser.add_argument("--port", type=_count, default=8765)
    parser.add_argument("--recordings", type=Path, metavar="DIR")
    parser.add_argument("--today", type=_date, metavar="2026-11-22")
    parser.add_argument("--allowance", type=_count, metavar="N")
    options = parser.parse_args(arguments)
    try:
        with SampleApi(**vars(options)) as api:
            _print_settings(api)
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except RecordingError as error:
        return _report_error(str(error))
    except (OSError, OverflowError) as error:
        return _report_error(f"can't listen on port {options.port}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
