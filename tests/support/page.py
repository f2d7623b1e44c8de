"""Read what was put on a page as a browser does, and tell how well its colors can be told apart."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Every element with its attributes, and the text."""

    def __init__(self, shown):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(shown._repr_html_())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def channels(code):
    """Red, green and blue of a code like "#6f6a62", in 0 to 255."""
    return tuple(int(code[i : i + 2], 16) for i in (1, 3, 5))


def luminance(color):
    """The relative luminance of WCAG 2, of red, green and blue in 0 to 255."""
    shares = (c / 255 for c in color[:3])
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """The contrast ratio of WCAG 2, from 1 to 21."""
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)
