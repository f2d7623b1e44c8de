"""Find a browser, open built pages in it from disk, and note what they ask for and complain of."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


def find():
    """Return the path of Chromium or Chrome, or None."""
    for name in filter(None, (os.environ.get("CHROMIUM"), *NAMES)):
        if path := shutil.which(name):
            return path
    return MAC if Path(MAC).exists() else None


class Visit:
    """A page that was opened once: the page itself and what went wrong on the way."""

    def __init__(self, context, path):
        self.errors, self.failed, self.foreign = [], [], []
        self.page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.failed.append(request.url))
        self.page.on("request", self._request)
        self.page.goto(path.as_uri(), wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        self.page.evaluate("() => document.fonts.ready.then(() => true)")

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, request):
        if urlsplit(request.url).scheme not in ("file", "data", "blob"):
            self.foreign.append(request.url)

    def resize(self, width):
        if self.page.viewport_size["width"] != width:
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.wait_for_timeout(500)  # the theme waits 300 ms before it follows


@contextmanager
def launched(playwright, theme):
    """Yield a fresh browser context of this color scheme."""
    chromium = playwright.chromium.launch(executable_path=find(), args=FLAGS)
    try:
        yield chromium.new_context(color_scheme=theme, viewport={"width": 1440, "height": 900})
    finally:
        chromium.close()
