"""Let a plain Markdown link such as ``../reference/bibliography.md#maas2011`` find its target.

MyST resolves ``page.md#name`` only for headings. Notebooks must not use anything that only Sphinx
understands, so this adds the explicit targets of a page (the bibliography's keys among them) to
the names that MyST looks up.
"""


def add_explicit_targets(app, document):
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for name, node in document.ids.items():
        slugs.setdefault(name, (node.line or 0, name, name))


def setup(app):
    app.connect("doctree-read", add_explicit_targets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
