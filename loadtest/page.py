"""What every page is made of: one HTML file that opens offline, sections, tables."""

from collections.abc import Iterable
from html import escape

from loadtest.report_style import CSS


def page(title: str, sections: Iterable[str]) -> str:
    """The whole file. ``sections`` are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>"
        + "\n".join(sections)
        + "</main></body></html>\n"
    )


def section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def heading(word: str, title: str, lines: Iterable[str], meta: str) -> str:
    """The top of a page: a word in its colour, what it is of, and why. ``word`` is one of the
    style sheet's: pass, fail, invalid, partial, or any other for grey."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f'<header class="{escape(word.lower())}"><div class="badge">{escape(word)}</div><div>'
        f"<h1>{escape(title)}</h1>"
        + (f"<ul>{items}</ul>" if items else "")
        + f'<p class="meta">{escape(meta)}</p></div></header>'
    )


def table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """Cells are HTML; the first ``left`` columns are text, the rest figures."""

    def cells(row: list[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if i >= left else ''}>{cell}</{tag}>" for i, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"
