"""Recommendations, from the figures and the alarms."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.evaluation.deciding import is_too_few
from headstart.evaluation.report.confusions import pairs
from headstart.evaluation.report.curves import alarms, curve
from headstart.evaluation.report.figures import change
from headstart.evaluation.verdict import score
from headstart.pages.markup import Markup, coded, cut, tag

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Results
    from headstart.evaluation.verdict import Gain

#: Share of duplicate records above which they are mentioned.
_REPEATED = 0.05
#: Share of a class confused with another above which it is mentioned.
_CONFUSED = 0.1
#: Share of the total decrease of the loss in the last quarter above which training was too short.
_FALLING = 0.08
#: Half width of an interval, as a share, above which it is called wide.
_WIDE = 0.03
_LETTERS = 40


def section(lines: Sequence[str]) -> Markup:
    """List the advice."""
    if not lines:
        return Markup("")
    items = [tag("li", *coded(line)) for line in lines]
    return tag("section", tag("h2", "What to do next", id="next"), tag("ul", *items))


def advice(
    results: Results,
    gains: Sequence[Gain],
    metrics: Sequence[dict[str, Any]],
    audits: Mapping[str, Mapping[str, Any]],
    run: str = "RUN",
    capped: bool = False,
) -> list[str]:
    """Return plain sentences, the most important first.

    Args:
        run: the run folder, for the commands.
        capped: whether the pre-training ended at its largest number of epochs.
    """
    rows = list(metrics)
    return [
        *_choice(gains, run),
        *_elsewhere(results),
        *_overlap(audits),
        *longer(rows, capped=capped),
        *_labels(results),
        *_certainty(results, gains),
        *_classes(results),
        *_repeats(audits),
    ]


#: Width of an interval beyond which nothing is advised.
WIDE = 0.1


def _choice(gains: Sequence[Gain], run: str) -> list[str]:
    if not gains:
        return []
    last, run = gains[-1], shlex.quote(run)
    if is_too_few(last.tested):
        return ["Label more before you choose: so few tested records say nothing."]
    if last.sign > 0 or (last.sign == 0 and any(gain.sign > 0 for gain in gains)):
        if simple := last.ours.joined_with:
            return [
                f"Use this encoder's vectors (`headstart embed {run}`) side by side with those of "
                f"{simple} from another library, as measured here: each adds what the other lacks."
            ]
        return [
            f"Use this encoder: `headstart finetune {run} --train LABELED --out NEW` chooses on "
            "held-out labels between fine-tuning and a classifier of its frozen features."
        ]
    change = last.difference
    if last.sign == 0 and last.metric.percent and change.high - change.low > WIDE:
        return [
            f"Do not choose yet: with {last.name} labels the difference to {last.best.candidate} "
            f"may be anything from {100 * change.low:+.0f} to {100 * change.high:+.0f} points. "
            "More draws (`--seeds`) or more tested records narrow it."
        ]
    won = [gain.name for gain in gains if gain.sign > 0]
    other = last.best.candidate
    name = f"the {other} encoder" if last.best.kind == "untrained" else f"“{other}”"
    simple = f"{name} does {'as well' if last.sign == 0 else 'better'}"
    if won:
        return [
            f"With {last.name} labels {simple}: take it there, and this encoder where labels are "
            f"few ({', '.join(won)})."
        ]
    return [
        f"{simple[:1].upper()}{simple[1:]} and costs less: take it, unless a longer pre-training "
        "on more data of the same kind changes the verdict."
    ]


def _elsewhere(results: Results) -> list[str]:
    """Name the other domain on which an alternative is clearly better, if there is one."""
    there = [shift for shift in results.shifts if not shift.severity]
    ours = max(
        (shift for shift in there if shift.kind == "pretrained"),
        key=lambda shift: shift.clean.mean,
        default=None,
    )
    others = [shift for shift in there if shift.kind not in ("pretrained", "repeated")]
    if ours is None or not others:
        return []
    best = max(others, key=lambda shift: shift.score.mean)
    if best.score.low <= ours.score.high:
        return []
    figures = " against ".join(score(found.score.mean, results.metric) for found in (best, ours))
    return [
        f"On {cut(ours.shift, _LETTERS)} {best.candidate} does better ({figures}): pre-train on "
        "records from there, too, or take that there."
    ]


def _overlap(audits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = 0
    for audit in audits.values():
        overlap = audit.get("overlap")
        if isinstance(overlap, Mapping):
            found += int(overlap.get("exact", 0)) + int(overlap.get("near", 0))
    if not found:
        return []
    return [
        f"{found:,} tested record{' occurs' if found == 1 else 's occur'} in the pre-training "
        "data, exactly or nearly: look at the pairs below; with `--remove-overlap` a new "
        "pre-training leaves them out."
    ]


def longer(metrics: list[dict[str, Any]], *, capped: bool = False) -> list[str]:
    """Return the alarms of the training, and whether a longer training would help.

    Args:
        capped: whether it ended at its largest number of epochs, before its budget.
    """
    raised = alarms(metrics)
    lines = [message for _, _, message in raised if message]
    kinds = " ".join(f"{kind} {message}".lower() for _, kind, message in raised)
    if "improving" in kinds or "collaps" in kinds or "diverg" in kinds:
        return lines
    key = "validation_loss" if len(curve(metrics, "validation_loss")) > 3 else "loss"
    points = curve(metrics, key)
    if len(points) < 4:
        return lines
    quarter = points[-1 - len(points) // 4][1]
    first, last = points[0][1], points[-1][1]
    if first > last and quarter - last > _FALLING * (first - last):
        name = key.replace("_", " ")
        fell = f"from {quarter:.3g} to {last:.3g} in the last quarter"
        lines.append(
            f"The {name} was still falling at the end ({fell}), but a longer `--budget` ends at "
            "the same number of epochs: more unlabeled records would use it."
            if capped
            else f"The {name} was still falling at the end ({fell}): try a longer `--budget`."
        )
    return lines


def _labels(results: Results) -> list[str]:
    if len(results.counts) < 2:
        return []
    before, most = list(results.counts)[-2:]
    fewer, all_of_them = results.ours(before), results.ours(most)
    if fewer is None or all_of_them is None:
        return []
    gain = all_of_them.mean - fewer.mean
    metric = results.metric
    amount = f"{change(metric, gain)} of {metric.name}"
    if gain < 0.005:
        return [
            f"More labels do little more: from {before:,} to {most:,} they brought {amount}. "
            "More unlabeled records or cleaner labels may bring more."
        ]
    if gain > 0.02:
        return [
            f"More labels still pay: from {before:,} to {most:,} they brought {amount}. "
            "`headstart label` names the records that are most worth labeling."
        ]
    return []


def _certainty(results: Results, gains: Sequence[Gain]) -> list[str]:
    """Say what widens the intervals most, where they are wide."""
    wide = [
        gain.comparison.open[0]
        for gain in gains
        if gain.comparison.open and gain.difference.high - gain.difference.low > 2 * _WIDE
    ]
    if not wide:
        return []
    if sum(change.between for change in wide) > sum(change.within for change in wide):
        return [
            f"The intervals are wide, as labels were drawn {results.seeds} times only: draw more "
            f"often (`--seeds {min(100, 4 * results.seeds)}`) before a decision that hangs on a "
            "small difference."
        ]
    return [
        f"The intervals are wide, as {len(results.truth):,} {results.unit} were tested: test on "
        "more before a decision that hangs on a small difference."
    ]


def _classes(results: Results) -> list[str]:
    worst = pairs(results)[:1]
    return [
        f"Look at “{cut(results.classes[first], _LETTERS)}” and "
        f"“{cut(results.classes[second], _LETTERS)}”: {share:.0%} of the first are taken for the "
        "second. Check their labels, merge them, or label more of both."
        for first, second, share in worst
        if share >= _CONFUSED and len(results.classes) > 2
    ]


def _repeats(audits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    audit = audits.get("pre-training", {})
    kept, again = audit.get("kept", 0), audit.get("duplicates", 0)
    if not kept or again / kept <= _REPEATED:
        return []
    return [
        f"{again / kept:.0%} of the pre-training records repeat others: fewer copies would leave "
        "time for records that say something new."
    ]
