"""HTML in texts: what news feeds leave of it, or the tags and entities of whole HTML.

clean_columns.py uses the patterns with Arrow's engine, RE2. They match ASCII alike there and here.
"""

import re
from html import unescape
from html.entities import html5
from typing import Literal

Html = Literal["feed", "decode", "keep"]

# What news feeds leave of HTML entities: "Sox #39;s", "&amp;lt;b&amp;gt;", " quot;". The feeds replace the ampersand
# by a space, so the space belongs to the debris.
NUMERIC_DEBRIS = re.compile(r"(?:&amp;|&| )?#(\d{2,5});")
NAMED_DEBRIS = re.compile(r"(?:&amp;|&|\b ?)(amp|quot|apos|lt|gt|nbsp);")
TAG_DEBRIS = re.compile(r"</?[a-zA-Z][^<>]*>")
# A tag has the name of an element that HTML has or had, and attributes with values; only those of the second list have
# none. So there is none in "a<b and c>d".
_ELEMENTS = """
    a abbr acronym address applet area article aside audio b base basefont bdi bdo big blink blockquote body br button
    canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset
    figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input
    ins kbd label legend li link main map mark marquee menu meta meter nav nobr noframes noscript object ol optgroup
    option output p param picture pre progress q rp rt ruby s samp script search section select slot small source span
    strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul
    var video wbr
"""
_WITHOUT_VALUE = """
    allowfullscreen async autofocus autoplay checked compact controls default defer disabled download formnovalidate
    hidden inert ismap itemscope loop multiple muted nomodule noshade novalidate nowrap open playsinline readonly
    required reversed selected
"""
_BLANK = r"[ \t\n\f\r]"  # what HTML calls that
_ATTRIBUTE = rf"""[a-z_:@][a-z0-9_:.@-]*{_BLANK}*={_BLANK}*(?:"[^"]*"|'[^']*'|[^ \t\n\f\r"'<>]+)"""
TAG = re.compile(
    rf"(?i)</?(?:{'|'.join(_ELEMENTS.split())})"
    rf"(?:{_BLANK}+(?:{_ATTRIBUTE}|{'|'.join(_WITHOUT_VALUE.split())}))*{_BLANK}*/?>"
)
_ENTITY = re.compile(r"&(#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
_ZEROS = re.compile(r"&#0+(?=[0-9])")
_NO_CHARACTER = re.compile(r"&#[0-9]{8,}")  # the number is too high for a character


def remove_markup(text: str, html: Html) -> str:
    """Return the text without HTML: `decode` reads it once, `feed` also what feeds leave of it; `keep` changes nothing.

    To `decode`, as to a browser, "&lt;b&gt;" is "<b>" and no tag.
    """
    if html == "feed":
        return _remove_debris(text)
    if html == "decode":
        return decode_entities(TAG.sub(" ", text) if "<" in text else text)
    return text


def decode_entities(text: str) -> str:
    """Return the text with the entities decoded that HTML has; anything else between "&" and ";" stays."""
    return _ENTITY.sub(_decode_entity, text) if ";" in text else text


def decode_loosely(text: str) -> str:
    """Return the text with its HTML entities decoded, those without a semicolon, too."""
    if "&#" in text:  # very long ones, which Python's own function refuses
        text = _NO_CHARACTER.sub("&#9999999", _ZEROS.sub("&#", text))
    return unescape(text)


def _decode_entity(found: re.Match[str]) -> str:
    return decode_loosely(found[0]) if found[1][0] == "#" else html5.get(f"{found[1]};", found[0])


def _remove_debris(text: str) -> str:
    # Twice, because feeds escape text that was already escaped: "&amp;lt;b&amp;gt;".
    for _ in range(2):
        if ";" in text:
            text = NUMERIC_DEBRIS.sub(r"&#\1;", text)
            text = NAMED_DEBRIS.sub(r"&\1;", text)
            text = decode_loosely(text)
    return (TAG_DEBRIS.sub(" ", text) if "<" in text else text).replace("\\", " ")
