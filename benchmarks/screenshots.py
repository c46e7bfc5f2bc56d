"""Make docs/*.png: screenshots of every page at 1280 px, light theme.

    .venv/bin/python benchmarks/screenshots.py            the current workspace
    ECGCORE_HOME=/path .venv/bin/python benchmarks/screenshots.py

Read the examples and train both networks first. Needs Chromium.
"""

import io
import os
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from serving import serving

from ecgcore.workspace import Workspace

DOCS = Path(__file__).resolve().parents[1] / "docs"
SHIPPED = "&{0}_runs=alexnet_gap&{0}_runs=alexnet_m_se_gap"
PAGES = {
    "overview": "",
    "browse": "browse?cohort=examples&browse_class=LBBB&record=01500_lr",
    "train": "train?cohort=examples",
    "compare": "compare?a=alexnet_gap&b=alexnet_m_se_gap",
    "classify": "classify?classify_example=LBBB" + SHIPPED.format("classify"),
    "saliency": "saliency?cohort=examples&record=01500_lr&saliency_class=LBBB"
    + SHIPPED.format("saliency"),
    "studies": "studies",
}
WIDTH_PX, MAX_PX = 1280, 2600
BUSY = (
    "[data-testid=stSpinner], [data-testid=stSkeleton], "
    "[data-testid=stStatusWidget], [data-stale=true]"
)


def main() -> None:
    """Start a dashboard, take a screenshot of each page, stop it."""
    with serving(Workspace.find().path, Path(os.devnull)) as address:
        take_all(address)


def take_all(address: str) -> None:
    """Open each page and write its screenshot."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, path in PAGES.items():
            page = chromium.new_page(viewport={"width": WIDTH_PX, "height": 1000})
            page.goto(f"{address}/{path}")
            wait_until_idle(page)
            height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
            page.set_viewport_size({"width": WIDTH_PX, "height": min(height, MAX_PX)})
            wait_until_idle(page)
            write(page.screenshot(), DOCS / f"{name}.png")
            page.close()
        chromium.close()


def wait_until_idle(page: Page) -> None:
    """Wait until a page has been idle for a second."""
    page.get_by_role("heading").first.wait_for(timeout=60_000)
    quiet = 0
    while quiet < 4:
        page.wait_for_timeout(250)
        quiet = 0 if page.locator(BUSY).count() else quiet + 1


def write(png: bytes, file: Path) -> None:
    """Write a screenshot as an optimised PNG with exact colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.save(file, optimize=True)
    print(f"{file.name}: {image.width} × {image.height}, {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
