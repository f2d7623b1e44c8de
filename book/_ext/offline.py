"""Make the built site work from disk: no other host, no server, no console error.

Formulas: the package sphinx-mathjax-offline ships MathJax in all its flavours, 24 MB. A page loads
one entry point, the fonts, and on demand TeX extensions and the screen-reader parts: only those
are copied.

Icons: the theme preloads its icon fonts with a cross-origin request, which browsers refuse for
pages opened as file://. The stylesheet loads the same fonts anyway, so the preloads go.
"""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

MATHJAX = ("tex-chtml.js", "input/tex", "output/chtml", "ui", "a11y", "sre")
FONT_PRELOAD = re.compile(r'<link rel="preload" as="font"[^>]*>\s*')


def copy_mathjax(target):
    source = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    for name in MATHJAX:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            shutil.copy2(source / name, target / name)


def finish(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    copy_mathjax(site / "_static" / "mathjax")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(FONT_PRELOAD.sub("", text), encoding="utf-8")


def setup(app):
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
