"""Tables on the console and in a page."""

from __future__ import annotations

import io
import json

from rich.console import Console

from headstart.pages.tables import Table


def printed(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=60)
    console.print(table.printed())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_numbers_stand_on_the_right_and_words_on_the_left() -> None:
    lines = printed(Table("Sizes", [["a", "1,000"], ["b", "7"]], ["name", "records"]))
    ends = [len(line.rstrip()) for line in lines if line.lstrip().startswith(("a", "b"))]
    assert ends == [ends[0], ends[0]]
    words = printed(Table("Formats", [["a", "PNG 12%"], ["b", "x"]]))
    assert words[-1].rstrip().endswith("x")
    assert words[-1].index("x") == words[-2].index("PNG")


def test_markup_of_either_kind_is_escaped() -> None:
    table = Table("T", [["[bold]a[/bold]", "<b>"]], note="[dim]")
    assert any("[bold]a[/bold]" in line for line in printed(table))
    assert "&lt;b&gt;" in table.html()
    assert "<thead>" not in table.html()


def test_plain_values_make_the_same_table_again() -> None:
    table = Table("T", [["a", "1"]], ["x", "y"], "so it is")
    assert Table(**json.loads(json.dumps(table.plain()))) == table
