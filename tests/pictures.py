"""Take the picture of the README: `PYTHONPATH=tests python tests/pictures.py`, after `make run`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from support.browser import chromium

PROJECT = Path(__file__).resolve().parents[1]
PICTURE = PROJECT / "docs" / "pictures" / "dashboard.png"


def main(pages: Path) -> None:
    PICTURE.parent.mkdir(exist_ok=True)
    with TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        browser.set_window_size(1000, 850)
        browser.get((pages / "seoul_this_week.html").as_uri())
        browser.execute_script("document.documentElement.style.overflow = 'hidden'")
        assert browser.save_screenshot(str(PICTURE))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "target" / "dashboards")
