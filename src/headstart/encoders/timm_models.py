"""Networks of timm behind the encoder contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.encoders import Features
from headstart.encoders.images import (
    ImageInput,
    PatchNetwork,
    full_mask,
    grid_tokens,
    parts_by_depth,
    try_out,
)
from headstart.encoders.maps import timm_maps
from headstart.errors import HeadstartError, did_you_mean

try:
    import timm
except ModuleNotFoundError:
    raise HeadstartError(
        "pictures need the extra `images`: pip install headstart[images]"
    ) from None
from timm.models._manipulate import group_with_matcher

from headstart.encoders.timm_attention import attend_by_products
from headstart.encoders.timm_folders import read_folder, shrink_stem, write_folder
from headstart.encoders.timm_patches import has_patches, patch_vectors, patches_in_context
from headstart.encoders.wide_conv import widen


class TimmEncoder(PatchNetwork):
    """A timm network without its classifier, behind :class:`headstart.encoders.Encoder`.

    ``pooled`` is what ``timm.create_model(..., num_classes=0)`` returns. If timm's head widens the
    vectors before the classifier (MobileNetV3, VGG) it is the mean of ``tokens``.

    Args:
        model: created by timm with ``num_classes=0``.
        size: pixels per side of the images it is built for.
        scale: factor by which images are enlarged (:class:`ImageInput`).
        small_stem: whether :func:`shrink_stem` was applied.
        stages: names of modules whose feature maps are averaged and set side by side, in place of
            the last layer.

    Raises:
        HeadstartError: the network does not support images of this size, or has no square grid.
    """

    def __init__(
        self,
        model: Any,
        size: int,
        *,
        scale: float = 1.0,
        small_stem: bool = False,
        stages: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.model, self.size, self.small_stem = model, size, small_stem
        self.stages = tuple(stages)
        self.width = int(model.num_features)
        self.has_patches = has_patches(model)
        self._channels = 3 if getattr(model, "output_fmt", "NCHW") == "NHWC" else 1
        config = model.pretrained_cfg
        self.input = ImageInput(
            config["mean"], config["std"], scale, self.patch_size if self.has_patches else 1
        )
        attend_by_products(model)
        self._head_pools, maps = self._try()
        if self.stages:
            self.width, self._head_pools = self._width_of_stages(), False
        if maps:
            model.to(memory_format=torch.channels_last)
            widen(model)
            self.input.channels_last = True

    @property
    def patch_size(self) -> int:
        """Pixels per side of a patch, in the enlarged image."""
        patch = getattr(getattr(self.model, "patch_embed", None), "patch_size", None)
        return super().patch_size if patch is None else int(patch[0])

    def forward(self, batch: Batch) -> Features:
        pixels = self.input(batch["pixels"])
        if self.stages:
            tokens = grid_tokens(maps_side_by_side(self.model, self.stages, pixels))
            return Features(tokens, full_mask(tokens), tokens.float().mean(1))
        output = self.model.forward_features(pixels)
        tokens = self._tokens(output)
        pooled = self.model.forward_head(output) if self._head_pools else tokens.float().mean(1)
        return Features(tokens, full_mask(tokens), pooled.float())

    def pool(self, batch: Batch) -> Tensor:
        """Return ``forward(batch).pooled`` (B,D)."""
        if not self._head_pools:
            return self(batch).pooled
        return self.model(self.input(batch["pixels"])).float()

    def maps(self, pixels: Tensor) -> list[Tensor]:
        return timm_maps(self.model, self.input.native(pixels))

    def embed(self, batch: Batch) -> Tensor:
        return patch_vectors(self.model, self.input(batch["pixels"]))

    def in_context(self, tokens: Tensor, positions: Tensor | None, grid: int) -> Tensor:
        return patches_in_context(self.model, tokens, positions, grid)

    def layers(self) -> list[nn.Module]:
        """The whole network in parts, stem first, by timm's own ``group_matcher``."""
        named = list(self.model.named_parameters())
        if hasattr(self.model, "group_matcher"):
            matcher = self.model.group_matcher(coarse=False)
            depths = group_with_matcher(iter(named), matcher, reverse=True)
        else:
            order = {name: n for n, (name, _) in enumerate(self.model.named_children())}
            depths = {name: order.get(name.split(".")[0], -1) for name, _ in named}
        return parts_by_depth(self.model, depths)

    def untrained(self) -> TimmEncoder:
        """Return a network of the same architecture and arguments, freshly initialised."""
        config = self.model.pretrained_cfg
        fresh = timm.create_model(
            config["architecture"],
            pretrained_cfg={k: v for k, v in config.items() if k != "state_dict"},
            **{"num_classes": 0, **self.model._model_args},
        )
        return self._wrapped(fresh)

    def _wrapped(self, model: Any) -> TimmEncoder:
        if self.small_stem:
            shrink_stem(model)
        return TimmEncoder(
            model,
            self.size,
            scale=self.input.scale,
            small_stem=self.small_stem,
            stages=self.stages,
        )

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` and ``config.json``, with mean, std and input size.

        ``timm.create_model("local-dir:FOLDER", pretrained=True)`` opens them; timm's arguments
        cannot describe a small stem, for which a ``README.md`` has code that opens it.
        """
        ours: dict[str, Any] = {
            "size": self.size,
            "scale": self.input.scale,
            "small_stem": self.small_stem,
        }
        if self.stages:
            ours |= {"stages": list(self.stages), "width": self.width}
        write_folder(self.model, folder, side=self.input.side(self.size), ours=ours)

    @classmethod
    def load(cls, folder: str | Path, size: int | None = None) -> TimmEncoder:
        """Open a folder that timm or :meth:`save` wrote, for images of ``size`` pixels per side.

        Raises:
            HeadstartError: a file is missing or damaged, or the weights are a pickle.
        """
        model, ours = read_folder(Path(folder))
        native = int(model.pretrained_cfg["input_size"][-1])
        return cls(
            model,
            size or ours.get("size", native),
            scale=ours.get("scale", 1.0),
            small_stem=ours.get("small_stem", False),
            stages=ours.get("stages", ()),
        )

    def _width_of_stages(self) -> int:
        """Return the channels of all stages.

        Raises:
            HeadstartError: the network has no such part.
        """
        known = dict(self.model.named_modules())
        for name in self.stages:
            if name not in known:
                raise HeadstartError(
                    f"the network has no stage {name!r}{did_you_mean(name, list(known))} Name "
                    "parts that give feature maps."
                )

        def run(pixels: Tensor) -> tuple[Tensor]:
            return (grid_tokens(maps_side_by_side(self.model, self.stages, self.input(pixels))),)

        name = self.model.pretrained_cfg["architecture"]
        return int(try_out(self.model, name, self.size, run)[0].shape[-1])

    def _tokens(self, output: Tensor) -> Tensor:
        prefix = getattr(self.model, "num_prefix_tokens", 0)
        return grid_tokens(output, prefix=prefix, channels=self._channels)

    def _try(self) -> tuple[bool, bool]:
        """Return whether timm's head pools to D, and whether the last layer is a feature map."""

        def run(pixels: Tensor) -> tuple[Tensor, bool, bool]:
            output = self.model.forward_features(self.input(pixels))
            pools = self.model.forward_head(output).shape == (1, self.width)
            return self._tokens(output), pools, output.dim() == 4

        _, pools, maps = try_out(
            self.model, self.model.pretrained_cfg["architecture"], self.size, run
        )
        return pools, maps


def maps_side_by_side(model: Any, names: Sequence[str], x: Tensor) -> Tensor:
    """Return the feature maps (B,D,h,h) of parts of a network, averaged to the coarsest grid.

    Args:
        names: of the parts; their channels are set side by side in this order.
        x: normalised pictures (B,3,S,S).
    """
    caught: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: caught.__setitem__(name, output)

    hooks = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        model.forward_features(x)
    finally:
        for hook in hooks:
            hook.remove()
    maps = [caught[name] for name in names]
    side = min(each.shape[-1] for each in maps)
    return torch.cat([F.adaptive_avg_pool2d(each, side) for each in maps], 1)
