"""The built site in a real browser, opened from disk: what a reader without a network sees.

Each page is opened once in light and once in dark mode; the tests of a page share that visit.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

import refresh
import repository
from tests.support.browser import Visit, find, launched

SITE = refresh.ROOT / "_build" / "html"
SOURCES = [page.relative_to(refresh.ROOT) for page in refresh.pages()]
WIDTHS = (390, 1440)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def has_formulas(page):
    text = (refresh.ROOT / page).read_text(encoding="utf-8")
    return page.suffix == ".ipynb" or "$" in CODE.sub("", text)


pytestmark = [
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="no site: run make book"),
    pytest.mark.skipif(
        find() is None and not os.environ.get("MDLIB_REQUIRE_BROWSER"),
        reason="no browser: install Chromium or Chrome, or name one in CHROMIUM",
    ),
]


@pytest.fixture(scope="module", params=["light", "dark"])
def context(request):
    assert find(), "MDLIB_REQUIRE_BROWSER is set and there is no Chromium or Chrome"
    with sync_playwright() as playwright, launched(playwright, request.param) as opened:
        opened.theme = request.param
        yield opened


@pytest.fixture(scope="module")
def visit(request, context):
    visit = Visit(context, SITE / request.param.with_suffix(".html"))
    visit.source = request.param
    yield visit
    visit.page.close()


def opening(pages):
    return pytest.mark.parametrize(
        "visit", pages, ids=lambda page: page.stem, indirect=True, scope="module"
    )


every_page = opening([*SOURCES, Path("search.md")])
every_page_with_formulas = opening([page for page in SOURCES if has_formulas(page)])
every_chapter = opening(
    [page for page in SOURCES if page.suffix == ".ipynb" and page.parent.name != "reference"]
)


@every_page
def test_console_is_silent(visit):
    assert visit.errors == []


@every_page
def test_everything_asked_for_is_on_disk(visit):
    assert (visit.failed, visit.foreign) == ([], [])


@every_page
def test_the_theme_follows_the_reader(visit, context):
    assert visit.page.evaluate("document.documentElement.dataset.theme") == context.theme


@every_page_with_formulas
def test_formulas_are_typeset(visit):
    article = visit.page.locator("article")
    assert article.locator("mjx-container").count() > 0
    assert article.locator("mjx-merror").count() == 0
    shown = article.evaluate(
        """article => {
            const copy = article.cloneNode(true);
            const rest = "pre, code, script, style, mjx-container";
            copy.querySelectorAll(rest).forEach(element => element.remove());
            return copy.textContent;
        }"""
    )
    assert re.findall(r"\$|\\[(\[a-zA-Z].*", shown) == []


@every_page
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(visit, width):
    visit.resize(width)
    wide = visit.page.evaluate(
        """boxes => [...document.querySelectorAll("article *")]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1
                && !e.parentElement.closest(boxes))
            .map(e => e.outerHTML.slice(0, 80))""",
        "pre, mjx-container, .output, .pst-scrollable-table-container",  # what scrolls by itself
    )
    scroll = visit.page.evaluate("document.documentElement.scrollWidth")
    assert (scroll, wide) == (width, [])


@every_page
def test_images_load_and_are_described(visit):
    images = visit.page.evaluate(
        """() => [...document.images].map(i => ({
            src: i.src.slice(0, 80),
            alt: i.getAttribute("alt"),
            loaded: i.complete && i.naturalWidth > 0,
            ours: !!i.closest("article"),
        }))"""
    )
    bad = [i for i in images if not i["loaded"] or i["alt"] is None]
    bad += [i for i in images if i["ours"] and not i["alt"].strip()]
    assert bad == []


@every_chapter
def test_chapter_opens_in_colab(visit):
    url, branch = repository.resolve(
        *(refresh.config()["repository"][key] for key in ("url", "branch")),
        os.environ,
        repository.origin_of(refresh.ROOT),
    )
    path = urlsplit(url).path.strip("/")
    link = visit.page.locator('a[href^="https://colab.research.google.com"]')
    assert link.first.get_attribute("href") == (
        f"https://colab.research.google.com/github/{path}/blob/{branch}/{visit.source.as_posix()}"
    )


@every_chapter
def test_chapter_can_be_downloaded(visit):
    link = visit.page.locator('a[href$=".ipynb"].btn-download-source-button')
    target = Path(unquote(urlsplit(link.first.evaluate("link => link.href")).path))
    assert target.read_bytes() == (refresh.ROOT / visit.source).read_bytes()


@every_chapter
def test_solutions_are_folded_and_open(visit):
    folds = visit.page.locator("div.tag_solution details")
    assert folds.count() >= 2
    fold = folds.first
    assert "Show the solution" in fold.locator("summary").inner_text()
    fold.locator("summary").click()
    assert fold.locator("pre").first.is_visible()
    assert "Hide the solution" in fold.locator("summary").inner_text()


@every_page
def test_links_within_the_site_lead_somewhere(visit):
    links = visit.page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.href)")
    bad = []
    for link in set(links):
        parts = urlsplit(link)
        if parts.scheme != "file":
            continue
        target = Path(unquote(parts.path))
        if not target.is_file():
            bad.append(link)
        elif parts.fragment and target.suffix == ".html":
            ids = re.findall(r'\bid="([^"]+)"', target.read_text(encoding="utf-8"))
            if unquote(parts.fragment) not in ids:
                bad.append(link)
    assert bad == []


@every_page
def test_sliders_change_the_picture(visit):
    for slider in visit.page.locator(".mdlib-slider").all():
        handle, images = slider.locator("input[type=range]"), slider.locator("img:visible")
        assert images.count() == 1
        before, label = images.get_attribute("alt"), slider.locator("output").inner_text()
        at_end = handle.evaluate("input => input.value === input.max")
        handle.press("ArrowLeft" if at_end else "ArrowRight")
        assert images.count() == 1
        assert images.get_attribute("alt") != before
        assert slider.locator("output").inner_text() != label


@every_page
def test_accessible(visit, context):  # the last test of a page: it takes the colors out of the code
    """All rules in the wide light page; narrow, all but colors; dark, colors alone."""
    # Thousands of colored words, in the theme's high-contrast palette, would cost a minute.
    visit.page.evaluate(
        "document.querySelectorAll('.highlight pre').forEach(p => p.textContent = p.textContent)"
    )
    if context.theme == "dark":
        assert violations(visit, {"runOnly": ["color-contrast"]}) == []
        return
    assert violations(visit, {}) == []
    visit.resize(min(WIDTHS))
    assert violations(visit, {"rules": {"color-contrast": {"enabled": False}}}) == []


def violations(visit, options):
    """What axe finds and calls serious or critical."""
    options = {"resultTypes": ["violations"]} | options
    found = Axe().run(visit.page, options=options).response["violations"]
    return [
        (violation["id"], [node["html"][:120] for node in violation["nodes"]])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]
