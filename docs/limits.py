"""Write the table of limits of `docs/deployment.md` from the server's own.

Usage: ``python docs/limits.py`` replaces the table between its two marks.
"""

from __future__ import annotations

from pathlib import Path

from headstart.config import ServeConfig
from headstart.deployment.serving.limits import Limits

PAGE = Path(__file__).parent / "deployment.md"
BEGIN, END = "<!-- limits -->\n", "<!-- end of limits -->\n"


def table() -> str:
    """Return the table as Markdown, with the defaults of the options."""
    rows = [("limit", "default", "what is limited", "status", "option"), ("---",) * 5]
    for each in Limits.of(ServeConfig(runs=["RUN"])).table():
        option = f"`{each.option}`" if each.option else ""
        rows.append((f"`{each.name}`", each.value, each.meaning, str(each.status), option))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")
