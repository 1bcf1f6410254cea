"""The options of pictures with captions: what each tower begins with, and how much it reads."""

from __future__ import annotations

from pydantic import Field

from headstart.config import Options


class PairsOptions(Options):
    """The two towers."""

    picture: str = Field(
        "auto",
        min_length=1,
        description="Network of the pictures: a name such as plain or resnet18, a run or folder, "
        "or published; auto depends on their size.",
    )
    text: str = Field(
        "auto",
        min_length=1,
        description="Network of the captions: a name such as light or modernbert, a run or folder, "
        "or published; auto is a published one that knows their language, or light.",
    )
    tokens: int = Field(64, ge=4, le=4096, description="Most tokens of a caption.")
