"""Checkpoints: written whole or not at all, read without running code, the newest two kept."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import CheckpointIO

from headstart.errors import HeadstartError
from headstart.files import whole_file

#: The best weights so far, where something judges them.
BEST = "best.ckpt"
_KEEP = 2


def path_of(folder: Path, step: int) -> Path:
    """Return where the checkpoint of ``step`` lies."""
    return folder / f"step-{step:09d}.ckpt"


def newest(folder: Path, say: Callable[[str], None] | None = None) -> Path | None:
    """Return the newest complete checkpoint, or None where none was ever written.

    A damaged one is passed over, with a word to ``say``.

    Raises:
        HeadstartError: there are checkpoints, and all of them are damaged.
    """
    found = sorted(folder.glob("step-*.ckpt"), reverse=True)
    for path in found:
        if _intact(path):
            return path
        if say is not None:
            say(f"The checkpoint {path} is damaged; going back to the one before it.")
    if found:
        raise HeadstartError(
            f"every checkpoint in {folder} is damaged; start the run again with --overwrite."
        )
    return None


def _intact(path: Path) -> bool:
    """Check the archive and the checksum of each part; torch itself checks no checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError):
        return False


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it can run.

    Raises:
        HeadstartError: it holds something other than tensors and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise HeadstartError(
            f"the checkpoint {path} holds objects that could run code, so it was not opened; "
            "delete it, or start the run again with --overwrite."
        ) from None
    except (RuntimeError, EOFError, OSError) as error:
        raise HeadstartError(
            f"the checkpoint {path} is damaged ({type(error).__name__}); delete it and go on with "
            "--resume from the one before it."
        ) from None
    if not isinstance(content, dict):
        raise HeadstartError(f"the checkpoint {path} is not one of headstart's; delete it.")
    return content


def write(content: dict[str, Any], path: Path) -> None:
    """Write ``content`` whole or not at all.

    Raises:
        HeadstartError: the disk is full; the checkpoint before is untouched.
    """
    # An open file, not a path: only then does torch report a full disk as the system's error.
    with whole_file(path) as partial, open(partial, "wb") as file:
        torch.save(content, file)


def forget_old(folder: Path) -> None:
    """Delete all but the newest two, and what a killed write left behind."""
    for path in sorted(folder.glob("step-*.ckpt"))[:-_KEEP]:
        path.unlink(missing_ok=True)
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)


class WholeCheckpoints(CheckpointIO):
    """How Lightning reads and writes checkpoints here."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        write(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)
