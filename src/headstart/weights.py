"""Load networks of Transformers strictly: every weight is there, of its shape, and finite.

Transformers fills a tensor that a file lacks with random numbers and goes on. What may be absent is
named here: the pooler, which this library does not use. What a file may hold beyond the network are
heads for other tasks, and buffers that older versions of Transformers saved.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from headstart.errors import HeadstartError, refused

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
PICKLE = "pytorch_model.bin"

#: Tensors that may be missing: their output is not used.
_UNUSED = re.compile(r"(^|\.)pooler\.")
#: Buffers of older versions of Transformers, which the network computes itself.
_BUFFERS = re.compile(r"(position_ids|token_type_ids|inv_freq|masked_bias|attn\.bias|pooler\..+)$")


#: What to do where no encoder can be opened.
_HINT = "give an encoder's name (`headstart list encoders`), a run, or a model folder"


def load_strictly(kind: Any, folder: str | Path, hint: str = _HINT) -> Any:
    """Return ``kind.from_pretrained(folder)`` in float32, with every weight from the file.

    Args:
        kind: a class of Transformers with ``from_pretrained``, such as ``AutoModel``.
        folder: a folder, or a name on the hub or in its local cache.
        hint: what to do where it cannot be opened.

    Raises:
        HeadstartError: a tensor is missing, of another shape or not finite; the weights are a
            pickle, need code of their own, or do not fit into memory.

    Example::

        load_strictly(AutoModel, "runs/reviews/encoder")
    """
    _check_code(folder)
    files = _files(folder)
    for file in files:
        check_size(file)
    _check_depth(folder, files)
    what = f"no encoder can be opened from {str(folder)!r}"
    with refused(what, hint, Exception), _unreached():
        model, found = kind.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    missing = [name for name in found["missing_keys"] if not _UNUSED.search(name)]
    wrong = [(name, saved, ours) for name, saved, ours in found["mismatched_keys"]]
    prefix = f"{model.base_model_prefix}."
    check_names(missing, wrong, stray_names(found["unexpected_keys"], model, prefix), folder)
    check_finite(model.state_dict(), folder)
    return model


@contextmanager
def _unreached() -> Iterator[None]:
    """Say plainly that a name is no folder here, and the hub was not reached."""
    try:
        yield
    except OSError as error:
        if "couldn't connect" not in str(error):
            raise
        raise OSError(
            "there is no such folder, and no published encoder of that name on this machine"
        ) from None


def check_names(
    missing: Iterable[str],
    wrong: Iterable[tuple[str, Iterable[int], Iterable[int]]],
    stray: Iterable[str],
    folder: str | Path,
) -> None:
    """Refuse weights that are not those of the network.

    Args:
        missing: tensors of the network that the file lacks.
        wrong: tensors of another shape: name, shape in the file, shape in the network.
        stray: tensors in the file that belong into the network but have no place in it.

    Raises:
        HeadstartError: there are any; it names the first.
    """
    remedy = "copy the folder again, with the config.json that belongs to it."
    where = f"{Path(folder) / WEIGHTS}"
    missing, stray = sorted(missing), sorted(stray)
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise HeadstartError(f"{where} lacks the tensor {missing[0]}{others}; {remedy}")
    for name, saved, ours in sorted(wrong):
        raise HeadstartError(
            f"in {where} the tensor {name} has the shape {_shape(saved)}, and the network's is "
            f"{_shape(ours)}; {remedy}"
        )
    if stray:
        others = f" and {len(stray) - 1} more" if len(stray) > 1 else ""
        raise HeadstartError(
            f"{where} has the tensor {stray[0]}{others}, for which the network has "
            f"no place; {remedy}"
        )


def check_finite(state: Mapping[str, Tensor], folder: str | Path) -> None:
    """Refuse weights that hold NaN or infinity.

    Raises:
        HeadstartError: it names the first such tensor.
    """
    for name, tensor in state.items():
        # A finite sum needs no second look; that of large finite numbers may be infinite.
        sure = not tensor.is_floating_point() or bool(tensor.sum().isfinite())
        if not sure and not bool(tensor.isfinite().all()):
            raise HeadstartError(
                f"the tensor {name} in {Path(folder) / WEIGHTS} holds values that are not finite; "
                "copy the folder again, or name another one."
            )


def stray_names(unexpected: Iterable[str], model: nn.Module, prefix: str = "") -> list[str]:
    """Return the tensors that lie inside a part of the network, where nothing reads them.

    Those of a head lie beside it, as in ``cls.predictions.bias``.

    Args:
        unexpected: names of tensors that the network does not have.
        prefix: what names in the file may begin with.
    """
    own = {_numberless(name) for name, _ in model.named_modules() if "." in name or _numbered(name)}
    own |= {name for name, part in model.named_children() if any(True for _ in part.parameters())}
    found = []
    for name in unexpected:
        parts = _numberless(name.removeprefix(prefix)).split(".")
        inside = any(".".join(parts[:end]) in own for end in range(1, len(parts)))
        if inside and not _BUFFERS.search(name):
            found.append(name)
    return found


def _numberless(name: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name)


def _numbered(name: str) -> bool:
    return bool(re.search(r"\d", name))


def _shape(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


def _check_code(folder: str | Path) -> None:
    """Refuse networks that only code of their own can open, and quantised weights."""
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    try:
        config, _ = PreTrainedConfig.get_config_dict(folder)
    except (OSError, ValueError):
        return  # opening it will say what is wrong
    kind = config.get("model_type")
    if config.get("auto_map") and kind not in CONFIG_MAPPING:
        raise HeadstartError(
            f"{folder} holds a network of the kind {kind!r} that needs Python code of its own, "
            "which is never run here; choose one of an architecture that Transformers itself has."
        )
    if config.get("quantization_config"):
        raise HeadstartError(
            f"{folder} holds quantised weights, which cannot be trained; name the folder of the "
            "weights that they were made from."
        )


def _check_depth(folder: str | Path, files: list[Path]) -> None:
    """Refuse a configuration of many more layers than there are weights: they would be built."""
    from transformers import PreTrainedConfig

    try:
        config, _ = PreTrainedConfig.get_config_dict(folder)
    except (OSError, ValueError):
        return  # opening it will say what is wrong
    tensors = sum(len(shapes_of(file)) for file in files)
    for name, value in config.items():
        # Some networks share the weights of their layers.
        if name.endswith(("layers", "_layer")) and isinstance(value, int) and value > tensors + 999:
            raise HeadstartError(
                f"the config.json in {folder} asks for {value:,} {name}, and its weights are "
                f"{tensors:,} tensors; copy the folder again."
            )


def _files(folder: str | Path) -> list[Path]:
    """Return the weight files of a folder or hub name; [] if opening it will say what is wrong.

    Raises:
        HeadstartError: the weights are a pickle, or a part of them is missing.
    """
    whole, index = _found(folder, WEIGHTS), _found(folder, INDEX)
    if whole is not None:
        return [whole]
    if index is not None:
        with refused(f"{index} cannot be read", "copy the folder again", Exception):
            names = sorted(
                set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            )
        for name in names:
            if _found(folder, name) is None:
                raise HeadstartError(
                    f"{folder} lacks {name}, which {index.name} names; copy it again."
                )
        return [part for name in names if (part := _found(folder, name)) is not None]
    if any(_found(folder, name) for name in (PICKLE, f"{PICKLE}.index.json")):
        raise HeadstartError(
            f"{folder} has its weights as {PICKLE} only, a pickle, which can run code and is not "
            f"opened; where you trust it, write {WEIGHTS} with Transformers: "
            "AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)."
        )
    return []


def _found(folder: str | Path, name: str) -> Path | None:
    """Return a file of a folder or a hub name, or None; it is fetched where there is a network."""
    if Path(folder).is_dir():
        return Path(folder) / name if (Path(folder) / name).is_file() else None
    from transformers.utils import cached_file

    try:
        path = cached_file(
            str(folder),
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            _raise_exceptions_for_gated_repo=False,
        )
    except (OSError, ValueError):
        return None
    return Path(path) if path else None


def shapes_of(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors by name, without loading them.

    Raises:
        HeadstartError: the file is cut short or damaged.
    """
    with (
        refused(f"the weights in {file} cannot be read", "copy the file again", Exception),
        safe_open(file, framework="pt") as tensors,
    ):
        names = tensors.keys()
        return {name: tuple(tensors.get_slice(name).get_shape()) for name in names}


def check_size(file: Path) -> None:
    """Refuse weights that do not fit into memory, before they are loaded.

    Raises:
        HeadstartError: it says how much they need and how much is free; or the file is damaged.
    """
    need, free = 4 * sum(map(prod, shapes_of(file).values())), free_memory()
    if free is not None and need > free:
        raise HeadstartError(
            f"the weights in {file} need {need / 2**30:.1f} GiB of memory and {free / 2**30:.1f} "
            "GiB are free; choose a smaller network, or a machine with more memory."
        )


def free_memory() -> int | None:
    """Return the bytes of memory that a new allocation can have; None where that is not known."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024  # type: ignore[index]
    except (OSError, TypeError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def tensors_of(file: str | Path) -> Any:
    """Return the tensors and plain values of a file of pickles, without running code.

    Raises:
        pickle.UnpicklingError: it holds other objects.
    """
    return torch.load(file, map_location="cpu", weights_only=True)
