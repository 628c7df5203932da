"""HTML source made safe for the parser, whose time grows with the square of two things.

Measured with lexbor: 100,000 nested `<div>` take 22 s, 40,000 attributes in one tag 4 s. Neither
occurs in letters; both are bounded here before the parser sees them, in linear time.
"""

from __future__ import annotations

import re

STRETCH = 1024
"""Letters of source within which a tag has to end."""
MANY_TAGS = 4000
TOO_MANY_TAGS = 12_000
DEPTH_MAX = 1000
HOSTILE_MAX = 16384
"""Letters read of a source that is nested deeper than any letter is."""

TAG_END = "\ue003\"'>"
"""Ends a tag whatever state it is in: in a double-quoted value, a single-quoted one, or none.

Between tags it is text, taken out again by whoever reads the tree.
"""

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})|<!--|-->|>")
_VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
    *("track", "wbr"),
}
_RAW = {
    *("script", "style", "title", "textarea", "noscript", "iframe", "xmp", "noembed", "noframes"),
}
_CLOSED_BY_HABIT = {"p", "li", "td", "tr", "th", "dd", "dt", "option"}


def tame(source: str) -> tuple[str, bool]:
    """The source with bounded tags and bounded nesting, and whether some of it was left out."""
    source = source.replace("\ue003", "")
    tags = source.count("<")
    if tags > TOO_MANY_TAGS or (tags > MANY_TAGS and _may_be_deep(source)):
        return _with_tag_ends(source[:HOSTILE_MAX]), True
    return (_with_tag_ends(source) if len(source) > 2 * STRETCH else source), False


def _with_tag_ends(source: str) -> str:
    """Put a tag end behind the first `>` of each stretch: after a tag there it is only text.

    A stretch without `>` gets one only where there is white space enough for many attributes:
    an image within a `data:` link is left in peace.
    """
    pieces = []
    start = 0
    while len(source) - start > STRETCH:
        end = source.find(">", start + STRETCH, start + 3 * STRETCH) + 1
        if not end:
            end = start + 2 * STRETCH
            stretch = source[start:end]
            if _few_attributes(stretch):
                pieces.append(stretch)
                start = end
                continue
        pieces += [source[start:end], TAG_END]
        start = end
    pieces.append(source[start:])
    return "".join(pieces)


def _few_attributes(stretch: str) -> bool:
    """Attributes are parted by white space, a slash, or the end of a quoted value."""
    marks = stretch.count("/") + stretch.count('"') + stretch.count("'")
    return marks <= 128 and len(stretch.split(None, 64)) <= 64


def _may_be_deep(source: str) -> bool:
    """Whether the nesting may exceed the bound, seen with suspicion.

    Closing tags count only where they certainly close: not in a comment, not where the tag
    before has not ended, not in an element whose content is raw text.
    """
    open_tags: dict[str, int] = {}
    depth = 0
    in_tag = in_comment = False
    raw = ""
    for match in _TAG.finditer(source):
        closing, name = match.groups()
        if name is None:
            in_comment = match[0] == "<!--" or (in_comment and match[0] != "-->")
            in_tag = False
            continue
        name = name.lower()
        certain = not in_tag and not in_comment
        in_tag = True
        if name in _VOID:
            continue
        count = open_tags.get(name, 0)
        if closing:
            if certain and count and raw in ("", name):
                open_tags[name] = count - 1
                depth -= 1
                raw = ""
        elif name not in _CLOSED_BY_HABIT or count <= depth // 2:
            open_tags[name] = count + 1
            depth += 1
            raw = raw or (name if name in _RAW else "")
            if depth > DEPTH_MAX:
                return True
    return False
