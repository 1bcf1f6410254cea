"""The verb that ranks what comes next."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.config import RecommendConfig
from headstart.errors import HeadstartError
from headstart.outputs import check_free
from headstart.run import RunFolder
from headstart.verbs.reading import Named, console, in_lines, load, say, speaking
from headstart.working import working

if TYPE_CHECKING:
    from headstart.pages.result import Result


#: Options that name a file with a name in each line, or the names themselves.
_LISTS = {"users", "allow", "deny"}


@speaking()
def recommend(run: Named, **options: Any) -> Result:
    """Rank what users may take next, among all items of a run on interactions.

    Args:
        run: folder of a pre-training run.
        options: see :class:`headstart.config.RecommendConfig`; one of ``history``, ``user`` and
            ``users`` names whom it is for. ``users``, ``allow`` and ``deny`` may be lists of names.

    Raises:
        HeadstartError: anything the user can fix.

    Example::

        print(hs.recommend("runs/shop", history=["12", "7"]).to_dict()["recommendations"][0])
    """
    for name in _LISTS & options.keys():
        options[name] = in_lines(options[name], name)
    plan = load(RecommendConfig, run=run, **options)
    from headstart.downstream.predictions import check_ending, write_predictions
    from headstart.encoders.opening import OpenedEncoder

    if plan.out:
        check_ending(Path(plan.out), "")
    check_free(plan)
    opened_run = RunFolder.open(plan.run)
    opened = OpenedEncoder(opened_run.require_encoder())
    if opened.modality.recommender is None:
        raise HeadstartError(
            f"{plan.run} reads {opened.modality.content.noun}, and nothing is recommended from "
            "them; name a run on interactions of users and items."
        )
    module, _, name = opened.modality.recommender.partition(":")
    with working("recommending", console(), say):
        found: Any = getattr(import_module(module), name)(opened_run, opened, plan)(plan, say)
    if plan.out:
        write_predictions(found.rows, Path(plan.out))
        say(f"{len(found.rows):,} rows are in {plan.out}")
    return found
