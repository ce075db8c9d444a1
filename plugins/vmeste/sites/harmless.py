"""HTML that shows and does nothing: what a label or a column's name may hold neither runs nor asks another machine."""

from __future__ import annotations

import html
from html.parser import HTMLParser

SHOWN = frozenset(
    {
        *("a", "b", "body", "br", "div", "em", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "head", "hr", "html", "i"),
        *(
            "li",
            "nav",
            "ol",
            "p",
            "small",
            "span",
            "strong",
            "table",
            "tbody",
            "td",
            "th",
            "thead",
            "title",
            "tr",
            "ul",
        ),
    }
)
ATTRIBUTES = frozenset({"class", "id", "colspan", "rowspan", "hidden"})
EMPTY = frozenset({"br", "hr"})
"""Elements without an end."""
DROPPED = frozenset(("script", "style", "iframe", "object", "svg", "template", "noscript", "textarea", "select"))
"""Elements that go with all that they hold; of any other that is not shown, the text stays."""


def harmless(page: str, style: str) -> str:
    """Return a page with the elements of ``SHOWN`` alone, links within the site, and one style sheet of ours."""
    parser = _Rebuilt(style)
    parser.feed(page)
    parser.close()
    return "<!DOCTYPE html>" + "".join(parser.parts)


class _Rebuilt(HTMLParser):
    """Writes anew what it reads, so that nothing it does not know gets through."""

    def __init__(self, style: str) -> None:
        super().__init__(convert_charrefs=True)
        self.style = style
        self.parts: list[str] = []
        self.dropped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.dropped or tag in DROPPED:
            self.dropped.append(tag)
        elif tag in SHOWN:
            self.parts.append(f"<{tag}{''.join(map(_attribute, attrs))}>")
            if tag == "head":
                self.parts.append(f'<meta charset="utf-8"><style>{self.style}</style>')

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.dropped and tag in EMPTY:
            self.parts.append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.dropped:
            # with the innermost of its kind end all that were opened in it
            del self.dropped[len(self.dropped) - 1 - self.dropped[::-1].index(tag) :]
        elif not self.dropped and tag in SHOWN and tag not in EMPTY:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.dropped:
            self.parts.append(html.escape(data))


def _attribute(given: tuple[str, str | None]) -> str:
    name, value = given
    if name in ATTRIBUTES or (name == "href" and _is_of_the_site(value or "")):
        return f' {name}="{html.escape(value or "")}"'
    return ""


def _is_of_the_site(address: str) -> bool:
    return ":" not in address and not address.startswith(("/", "\\"))
