"""Markup: what is text is escaped, and names break where a reader expects it."""

from __future__ import annotations

from headstart.pages.markup import breakable


def test_a_label_breaks_behind_its_hyphens_and_is_escaped():
    assert breakable("card_lost<b>") == "card_<wbr>lost&lt;b&gt;"
    assert breakable("to-do__x/y") == "to-<wbr>do__<wbr>x/<wbr>y"
