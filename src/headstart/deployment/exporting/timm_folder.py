"""The format ``timm``: a folder that ``timm.create_model("local-dir:FOLDER")`` opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.deployment.exporting import Format, Outputs, Source, Written
from headstart.deployment.exporting.onnx_head import HEAD_CODE, head_runner, write_head_graph
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders.timm_models import TimmEncoder
    from headstart.modalities.portable import Portable

_BATCH = 32
_CODE = """\
model = timm.create_model(f"local-dir:{HERE}", pretrained=True, num_classes=0).eval()
config = model.pretrained_cfg
mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
(pixels,) = read(values).values()
pixels = (torch.from_numpy(pixels).float() / 255 - mean) / std
pixels = torch.nn.functional.interpolate(pixels, config["input_size"][1:], mode="bilinear")
with torch.inference_mode():
    vectors = model(pixels).numpy()
"""


def write(source: Source, folder: Path) -> Written:
    """Write network, preprocessing and head.

    Raises:
        HeadstartError: the network is none of timm, or one that timm alone cannot open.
    """
    _timm_encoder(source).save(folder)
    portable = source.processor.portable(folder, source.length)
    write_head_graph(source, folder)
    has_head = source.head is not None
    return Written(
        run=_runner(source, portable, folder),
        packages=("numpy", "timm", *portable.packages) + (("onnxruntime",) if has_head else ()),
        imports=("import timm", "import torch") + (("import onnxruntime",) if has_head else ()),
        code=_CODE + (HEAD_CODE if has_head else ""),
        reading=portable,
    )


def _timm_encoder(source: Source) -> TimmEncoder:
    encoder: Any = source.encoder
    if not hasattr(encoder, "small_stem"):
        raise HeadstartError(
            "--format timm is for networks of timm, such as conv, vit and resnet18, and this "
            "encoder is none; take --format onnx."
        )
    if encoder.small_stem or encoder.stages:
        what = "a stem for small pictures" if encoder.small_stem else "several stages side by side"
        raise HeadstartError(
            f"this network has {what}, which timm's arguments cannot express; take --format onnx."
        )
    found: TimmEncoder = encoder
    return found


def _runner(source: Source, portable: Portable, folder: Path) -> Callable[[Dataset], Outputs]:
    import timm

    model: Any = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    config = model.pretrained_cfg
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    score = head_runner(source, folder)

    @torch.inference_mode()
    def run(records: Dataset) -> Outputs:
        vectors = np.zeros((len(records), source.encoder.width), np.float32)
        for indices, batch in source.processor.batches(records, source.length, _BATCH):
            (pixels,) = portable.inputs(batch).values()
            x: Tensor = (torch.from_numpy(pixels).float() / 255 - mean) / std
            x = F.interpolate(x, tuple(config["input_size"][1:]), mode="bilinear")
            found = model(x)
            if found.shape[1:] != vectors.shape[1:]:
                raise HeadstartError(
                    "timm's head gives vectors of another width than this encoder; take --format "
                    "onnx."
                )
            vectors[indices] = found.numpy()
        return Outputs(vectors, score(vectors))

    return run


FORMAT = Format("A folder for timm.create_model.", write)
