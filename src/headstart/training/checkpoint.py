"""Checkpoints: written atomically, read without running code; the newest two are kept."""

from __future__ import annotations

import errno
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import CheckpointIO

from headstart.errors import HeadstartError
from headstart.files import whole_file
from headstart.weights import tensors_of

#: The best weights so far, if they are chosen by a measure.
BEST = "best.ckpt"
_KEEP = 2


def path_of(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint of ``step``."""
    return folder / f"step-{step:09d}.ckpt"


def newest(folder: Path, say: Callable[[str], None] | None = None) -> Path | None:
    """Return the newest intact checkpoint, or None if none was ever written.

    Damaged ones are skipped and reported to ``say``.

    Raises:
        HeadstartError: there are checkpoints, and all of them are damaged; or one is a folder,
            which could be neither written over nor deleted later.
    """
    found = sorted(folder.glob("step-*.ckpt"), reverse=True)
    if one := next(filter(Path.is_dir, found), None):
        raise HeadstartError(f"the checkpoint {one} is a folder; move it away, and go on again.")
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
    """Check the archive and the checksum of each part, which torch itself does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError):
        return False


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code.

    Raises:
        HeadstartError: it holds something other than tensors and plain values.
    """
    try:
        content = tensors_of(path)
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
    """Write ``content`` atomically.

    Raises:
        HeadstartError: the disk is full; the previous checkpoint is untouched.
    """
    # An open file, since with a path torch hides the system error of a full disk.
    with whole_file(path) as partial, open(partial, "wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # It may find half of its bytes missing before the system says why.
            if "inline_container" not in str(error):
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def forget_old(folder: Path) -> None:
    """Delete all but the newest two, and partial files of killed processes."""
    for path in sorted(folder.glob("step-*.ckpt"))[:-_KEEP]:
        path.unlink(missing_ok=True)
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)


class WholeCheckpoints(CheckpointIO):
    """Makes Lightning read and write checkpoints with :func:`read` and :func:`write`."""

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
