"""HTML as its reader sees it: lines of text, links, and whether something was hidden.

The tree is selectolax's; the walk over it is ours, since what is hidden, what is quoted and where
lines end matter to us. Quoted blocks come out with `> ` before each line, as in plain mail, so that
`quotes` needs to know only one form; three marks of a private alphabet carry the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from gateway.text.markup import TAG_END, tame

HISTORY = "\ue000"
"""Mark of a line from which on everything is an earlier letter."""
SIGNATURE = "\ue001"
"""Mark of a line inside a signature."""
ATTRIBUTION = "\ue002"
"""Mark of a line that introduces a quote."""

NODES_MAX = 20_000
HREF_MAX = 2000
QUOTES_MAX = 50
"""Quote prefixes before a line: quotes a thousand deep would make megabytes of them."""

_PRIVATE = re.compile("[" + HISTORY + SIGNATURE + ATTRIBUTION + "]|" + TAG_END)

_TEXT, _DROP, _BREAK, _LINE, _PARAGRAPH, _LINK, _CELL, _RULE, _IMAGE, _INLINE = range(10)
_KINDS = {
    "-text": _TEXT,
    "br": _BREAK,
    "a": _LINK,
    "td": _CELL,
    "th": _CELL,
    "hr": _RULE,
    "img": _IMAGE,
    **dict.fromkeys(
        {
            *("head", "style", "script", "title", "noscript", "template", "object", "iframe"),
            *("textarea", "select", "svg", "math", "audio", "video", "canvas", "map"),
            *("-comment", "-cdata"),
        },
        _DROP,
    ),
    **dict.fromkeys(
        {
            *("address", "article", "aside", "body", "center", "dd", "div", "dl", "dt"),
            *("fieldset", "figure", "footer", "form", "header", "html", "li", "main", "nav"),
            *("section", "table", "tbody", "tfoot", "thead", "tr"),
        },
        _LINE,
    ),
    **dict.fromkeys(
        ("blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "ul"), _PARAGRAPH
    ),
}

# What of a style attribute takes an element out of sight.
# Possessive throughout: who writes ten thousand noughts must not have them counted in every way.
_HIDING = re.compile(
    r"display\s*+:\s*+none|visibility\s*+:\s*+(?:hidden|collapse)|mso-hide\s*+:\s*+all|"
    r"(?:max-height|opacity)\s*+:\s*+0*+(?:\.0*+)?+(?:px|pt|em|rem|%)?+\s*+(?:;|!|$)|"
    r"(?:text-indent|left|top)\s*+:\s*+-\d{3,5}(?:px|pt|em)|"
    r"(?:^|[;\s])color\s*+:\s*+(?:transparent|rgba\([^)]{0,30},\s*+0\s*+\))",
    re.IGNORECASE,
)
# A size of letters, and whether nobody can read it. It holds inside until another is set: layouts
# put everything into cells of size zero and set the size again around each text.
_SIZE = re.compile(
    r"(?:^|[;\s])font(?:-size)?\s*:\s*((?:0+(?:\.0*)?(?:px|pt|em|rem|%)?|1(?:px|pt))\s*(?:[;!/]|$))?",
    re.IGNORECASE,
)
_WHITE = re.compile(r"(?:^|[;\s])color\s*:\s*(?:#fff(?:fff)?\b|white\b)", re.IGNORECASE)
_BACKGROUND = re.compile(r"background", re.IGNORECASE)
_SIGNATURE_CLASS = re.compile(
    r"gmail_signature|moz-signature|apple-signature|protonmail_signature"
    r"|(?:^|\s)(?:(?:ydp\w{1,40})?signature|sig)(?:\s|$)"  # Yahoo, GMX; Fastmail
)
_ATTRIBUTION_CLASS = re.compile(r"gmail_attr|moz-cite-prefix")
_QUOTE_CLASS = re.compile(r"yahoo_quoted|protonmail_quote|moz-forward-container")
_HISTORY_CLASS = re.compile(r"OutlookMessageHeader")
_SIGNATURE_ID = re.compile(
    r"(?:x_)*(?:[Ss]ignature|AppleMailSignature|ms-outlook-mobile-signature|composer_signature"
    r"|ymail_android_signature|Zm-_Id_-Sgn)"
)
_SIGNATURE_BELOW_ID = re.compile(r"(?:x_)*lineBreakAtBeginningOfSignature")
_HISTORY_ID = re.compile(
    r"(?:x_)*(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION"
    r"|mail-editor-reference-message-container)"
)
_QUOTE_NAMES = frozenset(("quote", "messageReplySection"))
_SIGNATURE_NAME = "messageSignatureSection"
"""Values of `name`: GMX's, Spark's."""
# What Outlook draws above copied header lines, whose labels may be in any language.
_HISTORY_STYLE = re.compile(
    r"border-top\s*+:\s*+solid\s++#(?:E1E1E1|B5C4DF)\s++1\.0pt\s*+;\s*+padding\s*+:\s*+3\.0pt",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link as its reader sees it, and where it goes."""

    href: str
    text: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What a style attribute says about being seen."""

    hiding: bool
    white: bool
    """White letters, and no word of a background."""
    tiny: bool | None
    """Whether letters are too small to be seen; None: as around it."""
    history: bool
    """The line that a mail program draws above an earlier letter."""


def _read_style(style: str) -> _Look:
    size = _SIZE.search(style)
    return _Look(
        bool(_HIDING.search(style)),
        bool(_WHITE.search(style)) and not _BACKGROUND.search(style),
        size[1] is not None if size else None,
        bool(_HISTORY_STYLE.search(style)),
    )


@dataclass(slots=True)
class Page:
    """A rendering under construction, and its result."""

    lines: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    hidden: bool = False
    cut: bool = False
    """Too deep or too many nodes: the rest was not read."""
    links_cut: bool = False


def render(source: str, links: int) -> Page:
    """Render HTML within bounds: so many links, 20,000 nodes, 1,000 levels."""
    page = Page()
    source, page.cut = tame(source)
    body = LexborHTMLParser(source).body if source.strip() else None
    if body is not None:
        _Walk(page, links).run(body)
    return page


class _Walk:
    """Depth first over the tree, without recursion."""

    def __init__(self, page: Page, links: int) -> None:
        self.page = page
        self.links = links
        self.line: list[str] = []
        self.quotes = 0
        self.mark = ""
        self.inside: dict[int, str] = {}
        """Elements we are in that undo something when they end: by identity, what."""
        self.pre = 0
        self.looks: dict[str, _Look] = {}
        """What the style attributes met so far say."""
        self.tiny = False
        """Whether letters are too small here to be seen."""
        self.tiny_outside: dict[int, bool] = {}
        """What `tiny` was around each element that changed it."""
        self.href: str | None = None
        self.link_text: list[str] = []

    def run(self, body: LexborNode) -> None:
        node: LexborNode | None = body
        around: list[tuple[LexborNode, int]] = []  # the elements we are in, and their kinds
        for _ in range(2 * NODES_MAX):  # each is entered and left
            if node is None:
                if not around:
                    break
                element, kind = around.pop()
                self.leave(element, kind)
                node = element.next if around else None
                continue
            tag = node.tag or ""
            kind = _KINDS.get(tag, _INLINE)
            if kind == _TEXT:
                self.text(node.text_content or "")
            elif kind == _BREAK:
                self.end_line(keep_empty=True)
                if _SIGNATURE_BELOW_ID.fullmatch(node.attributes.get("id") or ""):
                    self.line_of_its_own(SIGNATURE)
            elif kind != _DROP and self.enter(node, kind, tag):
                around.append((node, kind))
                node = node.first_child
                continue
            node = node.next if around else None
        else:
            self.page.cut = True
        self.end_line()

    def enter(self, node: LexborNode, kind: int, tag: str) -> bool:
        """Begin an element; whether its reader sees what is in it."""
        attributes = node.attributes
        look = self.look(attributes.get("style") or "")
        if self.is_hidden(node, look, attributes):
            self.page.hidden = True
            return False
        if look.tiny is not None and look.tiny != self.tiny:
            self.tiny_outside[node.mem_id] = self.tiny
            self.tiny = look.tiny
        if kind != _INLINE:
            self.start(node, kind, tag, attributes)
        if look.history:
            self.line_of_its_own(HISTORY)
        elif "class" in attributes or "id" in attributes or "name" in attributes:
            self.notice(node, attributes)
        return True

    def start(
        self, node: LexborNode, kind: int, tag: str, attributes: Mapping[str, str | None]
    ) -> None:
        if kind == _LINE:
            self.end_line()
            if tag == "li":
                self.line.append("- ")
        elif kind == _PARAGRAPH:
            self.end_line()
            self.blank()
            self.pre += tag == "pre"
            if tag == "blockquote":
                self.quotes += 1
                self.inside[node.mem_id] = "quote"
        elif kind == _LINK:
            self.href = (attributes.get("href") or "").strip()[:HREF_MAX]
            self.link_text = []
        elif kind == _CELL:
            self.line.append(" ")
        elif kind == _RULE:
            self.end_line()
            self.page.lines.append("_" * 32)
        elif kind == _IMAGE:
            alternative = attributes.get("alt") or ""
            if len(alternative) <= 4 and not alternative.isascii():
                self.line.append(alternative)  # an emoji sent as a picture

    def leave(self, node: LexborNode, kind: int) -> None:
        if kind == _LINE:
            self.end_line()
        elif kind == _PARAGRAPH:
            self.end_line()
            self.blank()
            self.pre -= node.tag == "pre"
        elif kind == _LINK:
            self.end_link()
        if self.tiny_outside:
            self.tiny = self.tiny_outside.pop(node.mem_id, self.tiny)
        undo = self.inside.pop(node.mem_id, None) if self.inside else None
        if undo == "quote":
            self.quotes -= 1
        elif undo is not None:
            self.end_line()
            self.mark = undo

    def notice(self, node: LexborNode, attributes: Mapping[str, str | None]) -> None:
        """What mail programs write into `class`, `id` and `name` about quotes and signatures."""
        kind, own_id = attributes.get("class") or "", attributes.get("id") or ""
        name = attributes.get("name") or ""
        if _HISTORY_ID.fullmatch(own_id) or _HISTORY_CLASS.search(kind):
            self.line_of_its_own(HISTORY)
        elif node.mem_id in self.inside:
            return
        elif _QUOTE_CLASS.search(kind) or name in _QUOTE_NAMES:
            self.end_line()
            self.quotes += 1
            self.inside[node.mem_id] = "quote"
        elif _ATTRIBUTION_CLASS.search(kind):
            self.start_mark(node, ATTRIBUTION)
        elif (
            _SIGNATURE_CLASS.search(kind)
            or _SIGNATURE_ID.fullmatch(own_id)
            or name == _SIGNATURE_NAME
        ):
            self.start_mark(node, SIGNATURE)

    def line_of_its_own(self, mark: str) -> None:
        self.end_line()
        self.page.lines.append(mark)

    def start_mark(self, node: LexborNode, mark: str) -> None:
        self.end_line()
        self.inside[node.mem_id] = self.mark
        self.mark = mark

    def look(self, style: str) -> _Look:
        """A page has few styles, each many times: reading one takes 2 us, finding it again none."""
        known = self.looks.get(style)
        if known is None:
            known = self.looks[style] = _read_style(style)
        return known

    def is_hidden(
        self, node: LexborNode, look: _Look, attributes: Mapping[str, str | None]
    ) -> bool:
        if look.hiding or (look.white and not self.coloured(node)):
            return bool((node.text() or "").strip())
        return "hidden" in attributes

    def coloured(self, node: LexborNode) -> bool:
        """Whether an element around it has a background, on which white may well be seen."""
        parent = node.parent
        for _ in range(12):
            if parent is None:
                return False
            attributes = parent.attributes
            if "bgcolor" in attributes or _BACKGROUND.search(attributes.get("style") or ""):
                return True
            parent = parent.parent
        return True

    def text(self, text: str) -> None:
        if self.tiny:
            self.page.hidden = self.page.hidden or bool(text.strip())
            return
        if not text.isascii():
            text = without_private(text)
        if self.href is not None:
            self.link_text.append(text)
        if self.pre:
            *lines, text = text.split("\n")
            for line in lines:
                self.line.append(line)
                self.end_line(keep_empty=True)
        self.line.append(text)

    def end_link(self) -> None:
        if self.href and not self.href.startswith("#"):
            if len(self.page.links) < self.links:
                text = " ".join("".join(self.link_text).split())[:HREF_MAX]
                self.page.links.append(Link(self.href, text))
            else:
                self.page.links_cut = True
        self.href = None

    def end_line(self, *, keep_empty: bool = False) -> None:
        if not self.line and not keep_empty:
            return
        text = "".join(self.line) if self.pre else " ".join("".join(self.line).split())
        self.line.clear()
        if text or keep_empty:
            self.page.lines.append(self.mark + self.prefix() + text)

    def blank(self) -> None:
        """An empty line between paragraphs, never two."""
        lines = self.page.lines
        if lines and lines[-1].strip("> "):
            lines.append(self.prefix())

    def prefix(self) -> str:
        """What stands before a line of a quote within quotes."""
        return "> " * min(self.quotes, QUOTES_MAX)


_MARK = re.compile("^[" + HISTORY + SIGNATURE + ATTRIBUTION + "]", re.MULTILINE)


def without_marks(text: str) -> str:
    """Lines without the marks they may carry."""
    return _MARK.sub("", text) if may_be_marked(text) else text


def without_private(text: str) -> str:
    """A letter's own text without anything that we would take for a mark."""
    return _PRIVATE.sub("", text) if TAG_END in text or may_be_marked(text) else text


def may_be_marked(text: str) -> bool:
    """Looked for one by one, which is fifty times as fast as a pattern."""
    return HISTORY in text or SIGNATURE in text or ATTRIBUTION in text
