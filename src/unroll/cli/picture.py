"""The picture of `unroll trace`: the sections of a chain as boxes, each with an arrow to the next."""

from pathlib import Path
from textwrap import wrap
from xml.sax.saxutils import escape

from unroll.base.errors import hide_password, make_printable
from unroll.base.files import replace_when_done

ORDER = ("data", "stages", "parameters", "packages", "commit", "uncommitted", "code", "run", "model", "figure")
LETTERS, LINE, GAP, LEFT = 106, 16, 22, 110  # in a line; and pixels: a line, between boxes, the width of the names
WIDTH = LEFT + 15 * LETTERS // 2 + 20


def draw_sections(sections: dict[str, list[str]], path: Path) -> None:
    """Write the chain as an SVG, from the data at the top to the figure at the bottom.

    Raises:
        InputError: the file cannot be written.
    """
    parts, top = [], 10
    boxes = [(name, _wrap(sections[name])) for name in ORDER if name in sections]
    for number, (name, lines) in enumerate(boxes):
        height = LINE * len(lines) + 12
        parts.append(f'<rect x="5" y="{top}" width="{WIDTH - 10}" height="{height}" rx="6"/>')
        parts.append(f'<text x="15" y="{top + LINE + 2}" font-weight="bold">{name}</text>')
        for row, line in enumerate(lines, 1):
            parts.append(f'<text x="{LEFT}" y="{top + LINE * row + 2}">{escape(line)}</text>')
        top += height
        if number < len(boxes) - 1:
            parts.append(f'<path d="M40 {top}v{GAP - 8}m-4 0h8l-4 8z"/>')
            top += GAP
    style = "rect{fill:#f4f7fb;stroke:#456}path{stroke:#456;fill:#456}text{font:12px monospace;white-space:pre}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 10}"><style>{style}</style>'
    with replace_when_done(path) as temporary:
        temporary.write_text("\n".join([head, *parts, "</svg>", ""]), encoding="utf-8")


def _wrap(lines: list[str]) -> list[str]:
    return [part for line in lines for part in wrap(make_printable(hide_password(line)), LETTERS)]
