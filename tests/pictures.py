"""Take the pictures of the README after `make run`: `PYTHONPATH=tests python tests/pictures.py`."""

import sys
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium.webdriver.support.wait import WebDriverWait
from support.browser import chromium

PROJECT = Path(__file__).resolve().parents[1]
PICTURES = PROJECT / "docs" / "pictures"
LINEAGE = "#!/overview?g_v=1&g_i=%2Brds_fares"
"""A table of the website in the docs site, with all that it is computed from."""
NODES = 12
"""Fewest nodes of that lineage."""
GRAPH = "angular.element(document.body).injector().get('graph').graph_element"


def main(target: Path) -> None:
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        browser.set_window_size(1000, 850)
        browser.get((target / "dashboards" / "seoul_this_week.html").as_uri())
        browser.execute_script("document.documentElement.style.overflow = 'hidden'")
        assert browser.save_screenshot(str(PICTURES / "dashboard.png"))

        browser.set_window_size(1600, 1000)
        browser.get((target / "docs" / "static_index.html").as_uri() + LINEAGE)
        is_drawn = f"return {GRAPH}?.nodes?.(':visible').length >= {NODES}"
        WebDriverWait(browser, 60).until(lambda browser: browser.execute_script(is_drawn))
        picture = browser.execute_script(
            f"return {GRAPH}.png({{output: 'base64', full: true, maxWidth: 1000, bg: '#ffffff'}})"
        )
        (PICTURES / "lineage.png").write_bytes(b64decode(picture))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "target")
