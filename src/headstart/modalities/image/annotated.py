"""A picture as a file of annotations describes it, whatever the format of that file."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.modalities.image.content import SUFFIXES

NO_PICTURE = "there is no picture of its name in the folder"


@dataclass
class Annotated:
    """An image of the annotations; its ``boxes`` are not validated yet.

    Attributes:
        where: its place in the annotations, for messages.
        image: the path of the image, relative to the folder of the annotations.
        boxes: a list of ``label`` and ``xyxy`` or ``xywh``, and perhaps ``outline``.
        mask: the path of its mask.
        stated: (height, width) by the annotations.
        fault: why it is set aside.
    """

    where: str
    image: Any
    boxes: Any = None
    mask: Any = None
    stated: tuple[float, float] | None = None
    fault: str | None = None


class Pictures:
    """The pictures below a folder, by their names: annotations often name no path.

    Args:
        folder: searched at any depth, links to folders excepted.
    """

    def __init__(self, folder: Path) -> None:
        self.paths: list[str] = []
        self._named: dict[str, list[str]] = defaultdict(list)
        for parent, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in SUFFIXES:
                    path = os.path.relpath(os.path.join(parent, name), folder)
                    self.paths.append(path)
                    self._named[name].append(path)
                    self._named[stem].append(path)

    def named(self, name: str, near: str = "") -> str | None:
        """Return the path of a picture, relative to the folder; None where it is not certain.

        Args:
            name: with its ending or without.
            near: the folder of its annotations, where several have that name.
        """
        found = self._named.get(name, [])
        if len(found) == 1:
            return found[0]
        own = [path for path in found if os.path.dirname(path) == near]
        return own[0] if len(own) == 1 else None
