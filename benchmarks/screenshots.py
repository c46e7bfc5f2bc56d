"""Make docs/*.png: every page of the dashboard, as a visitor sees it at 1280 px, light.

    .venv/bin/python benchmarks/screenshots.py            the home folder in use
    ECGCORE_HOME=/path .venv/bin/python benchmarks/screenshots.py

It shows what is there: read the examples and train both networks first. Needs Chromium.
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
WIDTH_PX, MOST_PX = 1280, 2600
WORKING = (
    "[data-testid=stSpinner], [data-testid=stSkeleton], "
    "[data-testid=stStatusWidget], [data-stale=true]"
)


def main() -> None:
    """Start a dashboard, take a picture of each page, stop it."""
    with serving(Workspace.find().path, Path(os.devnull)) as address:
        take_all(address)


def take_all(address: str) -> None:
    """Open each page and write its picture."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, path in PAGES.items():
            page = chromium.new_page(viewport={"width": WIDTH_PX, "height": 1000})
            page.goto(f"{address}/{path}")
            settle(page)
            tall = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
            page.set_viewport_size({"width": WIDTH_PX, "height": min(tall, MOST_PX)})
            settle(page)
            write(page.screenshot(), DOCS / f"{name}.png")
            page.close()
        chromium.close()


def settle(page: Page) -> None:
    """Wait until a page has stood still for a second."""
    page.get_by_role("heading").first.wait_for(timeout=60_000)
    quiet = 0
    while quiet < 4:
        page.wait_for_timeout(250)
        quiet = 0 if page.locator(WORKING).count() else quiet + 1


def write(picture: bytes, file: Path) -> None:
    """Write a picture as small as its own colours allow: a class keeps its colour here, too."""
    shown = Image.open(io.BytesIO(picture)).convert("RGB")
    shown.save(file, optimize=True)
    print(f"{file.name}: {shown.width} × {shown.height}, {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
