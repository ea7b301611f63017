"""The few SVG shapes of the demo's picture, as text. Every number is rounded and every text escaped here."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

INK, SOFT, FAINT = "#1e293b", "#64748b", "#e2e8f0"
SERVED, CANCELLED, WRONG, UPSTREAM, RIGHT = "#2563eb", "#ea580c", "#dc2626", "#475569", "#15803d"
FRESH, ADVISORY, MANDATORY, NO_SET = "#bbdfc8", "#fde9a9", "#fbc9a4", "#e8edf3"
# Whatever the reader's system has for its own texts; the last ones are nearly everywhere.
_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"


def page(width: float, height: float, title: str, shapes: list[str]) -> str:
    """Return a whole picture on a light ground."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" font-family="{_FONT}" fill="{INK}" role="img">'
    )
    ground = f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", ground, *shapes, "</svg>", ""])


def text(
    x: float, y: float, content: str, *, size: float = 12, fill: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    """Return a line of text; ``y`` is its baseline, ``anchor`` start, middle or end."""
    weight = ' font-weight="600"' if bold else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{fill}"{place}{weight}>{escape(content)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, *, round_by: float = 0, edge: str = "") -> str:
    """Return a filled rectangle, never too narrow to be seen."""
    corner = f' rx="{_n(round_by)}"' if round_by else ""
    stroke = f' stroke="{edge}"' if edge else ""
    size = f'width="{_n(max(width, 0.5))}" height="{_n(height)}"'
    return f'<rect x="{_n(x)}" y="{_n(y)}" {size} fill="{fill}"{corner}{stroke}/>'


def line(x: float, y: float, to_x: float, to_y: float, color: str, *, width: float = 1, opacity: float = 1) -> str:
    """Return a straight line."""
    faded = f' stroke-opacity="{_n(opacity)}"' if opacity < 1 else ""
    ends = f'x1="{_n(x)}" y1="{_n(y)}" x2="{_n(to_x)}" y2="{_n(to_y)}"'
    return f'<line {ends} stroke="{color}" stroke-width="{_n(width)}"{faded}/>'


def dot(x: float, y: float, radius: float, fill: str) -> str:
    """Return a filled circle."""
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}"/>'


def numbered(x: float, y: float, number: int, fill: str = INK) -> Iterator[str]:
    """Return a dot with a number in it."""
    yield dot(x, y, 8.5, fill)
    yield text(x, y + 4, str(number), size=11, fill="#ffffff", anchor="middle", bold=True)


def _n(number: float) -> str:
    return f"{round(number, 2):g}" if abs(number) < 1e5 else f"{number:.0f}"
