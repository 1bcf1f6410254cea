"""Image networks of Transformers, to start from; saved in the format of Transformers."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from headstart.batch import Batch
from headstart.encoders import Features, attention
from headstart.encoders.images import (
    ImageInput,
    PatchNetwork,
    full_mask,
    grid_tokens,
    parts_by_depth,
    try_out,
)
from headstart.encoders.maps import transformers_maps
from headstart.encoders.proof import alike, attempt
from headstart.encoders.vision_folders import PROCESSOR, native_size, processor_of, resized
from headstart.errors import HeadstartError, refused
from headstart.files import write_json
from headstart.weights import load_strictly

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


class VisionEncoder(PatchNetwork):
    """An image network of Transformers behind :class:`headstart.encoders.Encoder`.

    ``pooled`` is the class token of the last layer if there is one, else the network's own
    ``pooler_output`` (the mean, for convolutions and Swin).

    Args:
        model: the bare network, without a head.
        processor: its image processor's configuration, of which ``image_mean``, ``image_std`` and
            ``do_normalize`` are used.
        size: pixels per side of the images it will read; by default the network's own.
    """

    def __init__(self, model: Any, processor: dict[str, Any], size: int | None = None) -> None:
        super().__init__()
        if model.config._attn_implementation == "sdpa":
            model.set_attn_implementation(attention.NAME)
        self.model, self.processor = model, processor
        self.size = size or native_size(model.config, processor)
        embeddings: Any = getattr(model, "embeddings", None)
        self._class_token = hasattr(embeddings, "cls_token")
        registers = getattr(embeddings, "register_tokens", None)
        self._prefix = int(self._class_token) + (0 if registers is None else registers.shape[1])
        self._prefix += int(hasattr(embeddings, "distillation_token"))
        if self._class_token and hasattr(model, "pooler"):
            # Trained for classification or not at all; the class token is used instead.
            model.pooler = None
        if getattr(embeddings, "mask_token", None) is not None:
            # Objectives have mask tokens of their own.
            embeddings.mask_token.requires_grad_(False)
        parameters = inspect.signature(model.forward).parameters
        self._interpolates = "interpolate_pos_encoding" in parameters
        normal = processor.get("do_normalize", True)
        self.input = ImageInput(
            processor["image_mean"] if normal else (0.0,) * 3,
            processor["image_std"] if normal else (1.0,) * 3,
            multiple=self.patch_size if self._class_token else 1,
        )
        self.width, maps = self._try()
        self.has_patches = self._class_token and self._takes_patches()
        if maps:
            model.to(memory_format=torch.channels_last)
            self.input.channels_last = True

    @property
    def patch_size(self) -> int:
        """Pixels per side of a patch."""
        size = getattr(self.model.config, "patch_size", super().patch_size)
        return int(size if isinstance(size, int) else size[0])

    def forward(self, batch: Batch) -> Features:
        tokens, pooled, _ = self._run(self.input(batch["pixels"]))
        return Features(tokens, full_mask(tokens), pooled.float())

    def maps(self, pixels: Tensor) -> list[Tensor]:
        x = self.input.native(pixels)
        extra = {"interpolate_pos_encoding": True} if self._interpolates else {}
        output = self.model(pixel_values=x, output_hidden_states=True, **extra)
        return transformers_maps(output, x, self._prefix)

    def embed(self, batch: Batch) -> Tensor:
        patches = self.model.embeddings.patch_embeddings
        vectors = patches.projection(self.input(batch["pixels"]))
        return grid_tokens(vectors)

    def in_context(self, tokens: Tensor, positions: Tensor | None, grid: int) -> Tensor:
        embeddings = self.model.embeddings
        side, blank = grid * self.patch_size, tokens.new_empty(1, 1 + grid**2, tokens.shape[2])
        own = embeddings.interpolate_pos_encoding(blank, side, side)
        patches = own[0, 1:]
        tokens = tokens + (patches[: tokens.shape[1]] if positions is None else patches[positions])
        first = embeddings.cls_token + own[:, :1]
        if self._prefix > 1:
            first = torch.cat([first, embeddings.register_tokens], 1)
        tokens = torch.cat([first.expand(len(tokens), -1, -1).to(tokens.dtype), tokens], 1)
        tokens = embeddings.dropout(tokens)
        for block in self._blocks()[1]:
            output = block(tokens, None)
            tokens = output if isinstance(output, Tensor) else output[0]
        return self.model.layernorm(tokens)[:, self._prefix :]

    def layers(self) -> list[nn.Module]:
        """The whole network in parts: the stem, then blocks or stages, the last with the rest."""
        names = [name for name, _ in self.model.named_parameters()]
        prefix, blocks = self._blocks()
        start = next(i for i, name in enumerate(names) if name.startswith(f"{prefix}."))
        depths = {
            name: int(name[len(prefix) + 1 :].partition(".")[0]) + 1
            if name.startswith(f"{prefix}.")
            else (0 if i < start else len(blocks))
            for i, name in enumerate(names)
        }
        return parts_by_depth(self.model, depths)

    def untrained(self) -> VisionEncoder:
        """Return a network of the same configuration, freshly initialised."""
        return VisionEncoder(type(self.model)(self.model.config), self.processor, self.size)

    def save(self, folder: Path) -> None:
        """Write ``config.json``, ``model.safetensors`` and the image processor's configuration.

        ``AutoModel`` and ``AutoImageProcessor`` open them.
        """
        self.model.save_pretrained(folder)
        write_json(folder / PROCESSOR, resized(self.processor, self.size))

    @classmethod
    def load(cls, folder: str | Path, size: int | None = None) -> VisionEncoder:
        """Open a folder, or a name on the hub or in its local cache.

        Raises:
            HeadstartError: Transformers cannot open it without running remote code.
        """
        model = load_strictly(AutoModel, folder)
        hint = "copy the folder again, with its preprocessor_config.json"
        with refused(f"the image processor in {str(folder)!r} cannot be read", hint):
            processor = processor_of(folder, model.config)
        return cls(model, processor, size)

    def _blocks(self) -> tuple[str, nn.ModuleList]:
        """Return the name of the network's main stack of blocks, and the stack."""
        stacks = [(n, m) for n, m in self.model.named_modules() if isinstance(m, nn.ModuleList)]
        return max(stacks, key=lambda stack: sum(p.numel() for p in stack[1].parameters()))

    def _run(self, pixels: Tensor) -> tuple[Tensor, Tensor, bool]:
        extra = {"interpolate_pos_encoding": True} if self._interpolates else {}
        output = self.model(pixel_values=pixels, **extra)
        last = output.last_hidden_state
        tokens = grid_tokens(last, prefix=self._prefix)
        if self._class_token:
            pooled = last[:, 0]
        elif getattr(output, "pooler_output", None) is not None:
            pooled = output.pooler_output.flatten(1)
        else:
            pooled = tokens.float().mean(1)
        return tokens, pooled, last.dim() == 4

    def _takes_patches(self) -> bool:
        """Whether patches in another order have the vectors of the network's own forward pass."""
        generator = torch.Generator().manual_seed(0)
        shape, grid = (1, 3, self.size, self.size), self.input.side(self.size) // self.patch_size
        pixels = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
        training = self.training
        self.eval()
        with torch.no_grad():
            own = self._run(self.input(pixels))[0]
            order = torch.randperm(own.shape[1], generator=generator)[None]

            def again() -> Tensor:
                tokens = self.embed({"pixels": pixels})[:, order[0]]
                return self.in_context(tokens, order, grid)

            found = attempt(again)
        self.train(training)
        return alike([own[:, order[0]]], [found])

    def _try(self) -> tuple[int, bool]:
        """Return D, and whether the last layer is a feature map."""
        kind = self.model.config.model_type
        tokens, pooled, maps = try_out(
            self.model, kind, self.size, lambda pixels: self._run(self.input(pixels))
        )
        if tokens.shape[2] != pooled.shape[1]:
            raise HeadstartError(
                f"the network {kind!r} pools to vectors of another width than its last layer's; "
                "choose another encoder."
            )
        return tokens.shape[2], maps
