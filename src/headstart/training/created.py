"""The encoder that a pre-training begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.encoders.opening import create_encoder, kind_of, open_encoder
from headstart.errors import HeadstartError
from headstart.training.embeddings import COUNTS, take_from_run

if TYPE_CHECKING:
    from headstart.config import PretrainConfig
    from headstart.encoders import Encoder
    from headstart.modalities import Processor
    from headstart.training.defaults import Plan


def new_encoder(config: PretrainConfig, plan: Plan, processor: Processor) -> Encoder:
    """Return the encoder that training starts from."""
    if not kind_of(plan.encoder):
        if plan.encoder_options:
            raise HeadstartError(
                f"the encoder {plan.encoder} has its size already; leave out "
                f"{', '.join(f'encoder.{key}' for key in plan.encoder_options)}."
            )
        if plan.embeddings:
            raise HeadstartError(
                f"the encoder {plan.encoder} has its token vectors already; leave out --embeddings."
            )
        return open_encoder(plan.encoder, length=plan.length)
    encoder = create_encoder(
        plan.encoder, plan.encoder_options, processor, length=plan.length, seed=config.seed
    )
    if plan.embeddings and plan.embeddings != COUNTS and not config.teacher:
        take_from_run(encoder, plan.embeddings)
    return encoder
