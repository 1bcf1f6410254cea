"""What a record is shown as: the beginning of its text, a small picture, or both."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.pages.markup import data_address


@dataclass(frozen=True)
class Preview:
    """One record as it is shown.

    Attributes:
        text: its beginning, or the name of the record where it is no text.
        image: WebP bytes, or empty.
        label: what a person called it, or empty.
    """

    text: str
    image: bytes = b""
    label: str = ""

    @property
    def address(self) -> str:
        """The image as a ``data:`` address, or nothing."""
        return data_address(self.image, "webp") if self.image else ""
