"""A finished table as text, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import html
import io
from pathlib import Path

from benchmark.report.tables import NONE, Table, number
from benchmark.run.record import PictureCost
from benchmark.tasks.paper import TITLES

NOT_COMPARABLE = "not comparable"

# Seconds of the method alone and memory besides its weights, one picture.
COSTS = ("s a picture", "MB a picture")


def header(table: Table) -> list[str]:
    """The column heads of the flat form."""
    heads = ["guidance", "method"]
    for column in table.columns:
        if column.paper:
            heads.append(f"{column.paper} published")
        heads += [f"{column.metric} ours", *(["difference"] if column.paper else []), "95% interval", "rank"]
    return [*heads, *(COSTS if any(row.cost for row in table.rows) else ())]


def flat(table: Table) -> list[list[str]]:
    """The rows as strings under `header`; a hole reads `missing: why`."""
    out = []
    for row in table.rows:
        line = [row.cell.guidance, row.cell.label]
        for column, entry in zip(table.columns, row.entries):
            if column.paper:
                line.append(number(entry.published))
            if entry.value is None:
                line += [
                    f"missing: {entry.missing}" if entry.missing else NONE,
                    *([""] if column.paper else []),
                    "",
                    "",
                ]
                continue
            line.append(number(entry.value.value))
            if column.paper:
                line.append(_signed(entry.difference) if entry.comparable else NOT_COMPARABLE)
            low, high = entry.value.low, entry.value.high
            line += ["none" if low is None else f"{number(low)} to {number(high)}", entry.rank or "not ranked"]
        if any(one.cost for one in table.rows):
            line += costs(row.cost)
        out.append(line)
    return out


def costs(cost: PictureCost | None) -> list[str]:
    """Seconds and megabytes a picture, as `COSTS` heads them."""
    if cost is None:
        return [NONE, NONE]
    return [f"{cost.seconds:.2g}", NONE if cost.bytes is None else f"{cost.bytes / 1e6:.3g}"]


def _signed(value: float | None) -> str:
    return "" if value is None else ("+" if value >= 0 else "-") + number(abs(value))


def as_text(table: Table) -> str:
    """Aligned plain text, notes below."""
    lines = [header(table), *flat(table)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    body = ["  ".join(part.ljust(width) for part, width in zip(line, widths)).rstrip() for line in lines]
    rule = "-" * max(len(line) for line in body)
    return "\n".join([table.title, rule, body[0], rule, *body[1:], rule, *table.notes]) + "\n"


def as_csv(table: Table) -> str:
    """CSV, one line per row; cells that a spreadsheet would run as a formula are quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header(table))
    for line in flat(table):
        writer.writerow([f"'{part}" if part.startswith(("=", "@")) else part for part in line])
    return out.getvalue()


_LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
_LATEX |= {"^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(c, c) for c in text)


def as_latex(table: Table) -> str:
    """A `table` environment with booktabs rules."""
    heads = " & ".join(latex_escape(h) for h in header(table))
    rows = [" & ".join(latex_escape(part) for part in line) + r" \\" for line in flat(table)]
    aligned = "ll" + "r" * (len(header(table)) - 2)
    notes = latex_escape(" ".join(table.notes))
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{latex_escape(table.title)}. {notes}}}",
            rf"  \begin{{tabular}}{{{aligned}}}",
            r"    \toprule",
            f"    {heads} \\\\",
            r"    \midrule",
            *(f"    {row}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def as_html(table: Table) -> str:
    """One `<table>` with caption and notes; every text is escaped."""
    heads = "".join(f"<th scope=col>{html.escape(h)}</th>" for h in header(table))
    body = []
    for line in flat(table):
        marks = [" class=missing" if part.startswith("missing:") else "" for part in line]
        body.append("<tr>" + "".join(f"<td{m}>{html.escape(p)}</td>" for m, p in zip(marks, line)) + "</tr>")
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    caption = html.escape(table.title)
    return (
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
        + "\n".join(body)
        + f"\n</tbody>\n</table>\n<ul class=notes>{notes}</ul>\n"
    )


FORMATS = {"txt": as_text, "csv": as_csv, "tex": as_latex, "html": as_html}


def is_table(number: int, path: Path) -> bool:
    """Whether a file is that table, drawn in the format of its suffix."""
    title = TITLES[number]
    begins = {
        ".txt": title,
        ".csv": "guidance,method",
        ".tex": "\\begin{table}\n  \\centering\n  \\caption{" + latex_escape(title),
        ".html": f"<table>\n<caption>{html.escape(title)}",
    }
    return path.read_text(encoding="utf-8", errors="replace").startswith(begins[path.suffix])
