"""Kill processes at random moments and compare every bit with those of one that never stopped.

Run it with ``python benchmarks/resume.py [loop|verbs] [text|image|interactions] [KILLS]``.
``loop`` kills the training loop at points that are named; ``verbs`` kills `pretrain`, `finetune`,
`embed` and `label` on texts and on pictures, and `pretrain`, `evaluate` and `recommend` on
interactions, half of them by the clock, from the first moment (reading, preparing) to the last, and
half at a change of their files. The default test suite does the same at some chosen moments.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "training"))


from kills import (
    Kills,
    assert_same_bits,
    assert_same_runs,
    assert_same_verdicts,
    logged,
    saved,
)

#: Options that change what must be restored.
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"workers": 2},
    {"accumulate": 3, "rows": 41},
    {"workers": 2, "accumulate": 2, "optimizer": {"name": "muon"}},
    {"patience": 3, "validate_steps": 3, "restore_best": True},
    {"world": 2, "rows": 40},
)
#: Where a process dies, and at most at which arrival.
PLACES = {
    "step": 12,
    "optimizer": 10,
    "validation": 8,
    "write": 4,
    "rename": 4,
    "renamed": 4,
    "forget": 4,
}


def loop(wanted: int) -> int:
    """Print one line a setting; return the number of settings whose bits differ."""
    random = np.random.default_rng(0)
    different = total = 0
    with Kills() as kills, tempfile.TemporaryDirectory() as scratch:
        for number, setting in enumerate(SETTINGS):
            options = {"budget": "30steps", "checkpoint_steps": 3, **setting}
            whole, cut = Path(scratch, f"{number}-whole"), Path(scratch, f"{number}-cut")
            assert kills.train(whole, **options) == 0
            killed, share = 0, -(-wanted // len(SETTINGS))
            status = -9
            while killed < share and status == -9:
                index = str(random.choice(list(PLACES)))
                count = int(random.integers(1, PLACES[index] + 1))
                status = kills.train(cut, {"point": index, "count": count}, **options)
                killed += status == -9
                if status == 0:
                    # It came to its end first: begin another chain, and compare this one too.
                    different += not same(whole, cut)
                    cut, status = cut.with_name(cut.name + "+"), -9
            assert kills.train(cut, **options) == 0
            equal = same(whole, cut)
            different += not equal
            total += killed
            print(
                f"{setting or 'defaults'}: {killed} kills, {'same bits' if equal else 'DIFFERENT'}"
            )
    print(f"{total} kills, {different} different")
    return different


def same(whole: Path, cut: Path) -> bool:
    """Compare all logged values and the last checkpoint."""
    try:
        assert logged(whole) == logged(cut)
        assert_same_bits(saved(whole), saved(cut))
    except AssertionError:
        return False
    return True


class Verbs:
    """The verbs on a kind of data: sources, and what each leaves where it is never stopped."""

    def __init__(self, folder: Path, kind: str, kills: Kills) -> None:
        self.folder, self.kills = folder, kills
        folder.mkdir()
        source, labeled = SOURCES[kind](folder)
        short: dict[str, Any] = {"budget": "8steps", "checkpoint_steps": 3, "tracker": "none"}
        encoder = {"encoder": "plain"} if kind == "image" else {"encoder_options": {"width": 16}}
        run = folder / "pretrain"
        self.calls: dict[str, tuple[list[str], dict[str, Any]]] = {
            "pretrain": ([str(source)], {**short, **encoder}),
        }
        if kind == "interactions":
            # In this time all settings are tried, so that the clock decides nothing.
            self.calls["evaluate"] = ([str(run)], {"alternatives_budget": "1h"})
            self.calls["recommend"] = ([str(run)], {"users": str(source), "count": 3})
        else:
            self.calls |= {
                "finetune": ([str(run)], {**short, "train": str(labeled), "validate_steps": 2}),
                "embed": ([str(run), str(source)], {}),
                "label": ([str(run)], {"unlabeled": [str(source)], "count": 8}),
            }
        self.seconds, self.changes = {}, {}
        for verb in self.calls:
            started = time.perf_counter()
            status, self.changes[verb] = self.call(verb, self.out(verb))
            self.seconds[verb] = time.perf_counter() - started
            assert status == 0, verb

    @staticmethod
    def out(verb: str, number: str = "") -> str:
        """Return the name of what the verb writes, the same in a folder for each ``number``."""
        return str(Path(number, verb + ENDINGS.get(verb, "")))

    def call(self, verb: str, out: str, **options: Any) -> list[int]:
        """Return the exit status, and how many changes of files there were."""
        given, usual = self.calls[verb]
        options = {**usual, **options, "out": str(self.folder / out)}
        return self.kills.verb(verb, *given, below=self.folder, **options)

    def killed(self, verb: str, kill: dict[str, Any], number: int) -> str:
        """Kill a verb, call it again, and return how that ended."""
        out, is_run = self.out(verb, str(number)), verb in ("pretrain", "finetune")
        status, _ = self.call(verb, out, kill=kill)
        if status == 0:
            return "came to its end first"
        one, two = self.folder / self.out(verb), self.folder / out
        # A file that is there is whole, and is never written again without being told.
        if is_run or not two.exists() or verb == "evaluate":
            again = {"resume": True} if is_run else {}
            again |= {"overwrite": True} if verb == "evaluate" else {}
            status, _ = self.call(verb, out, **again)
            if status:
                return "COULD NOT GO ON"
        try:
            if is_run:
                assert_same_runs(one, two)
            elif verb == "evaluate":
                assert_same_verdicts(one, two)
            else:
                assert one.read_bytes() == two.read_bytes()
        except AssertionError as error:
            return f"DIFFERENT {str(error)[:200]}"
        left = [p for p in two.parent.rglob(".*") if p.name.endswith((".partial", "-new", "-old"))]
        return f"LEFT {left[0].name}" if left else "same bits"


def verbs(wanted: int) -> int:
    """Print one line a round of kills; return the number of kills with a bad end."""
    random, bad, total = np.random.default_rng(0), 0, 0
    chosen = [kind for kind in SOURCES if kind in sys.argv[1:]] or list(SOURCES)
    ends: dict[str, Counter[str]] = {}
    with Kills() as kills, tempfile.TemporaryDirectory() as scratch:
        wholes = [Verbs(Path(scratch, kind), kind, kills) for kind in chosen]
        each = [(whole, verb) for whole in wholes for verb in whole.calls]
        for number in range(-(-wanted // len(each))):
            for whole, verb in each:
                if number % 2:
                    kill = {"seconds": float(random.uniform(0, whole.seconds[verb]))}
                else:
                    kill = {"change": int(random.integers(1, whole.changes[verb] + 1))}
                end = whole.killed(verb, kill, number)
                name = f"{verb} on {whole.folder.name}"
                ends.setdefault(name, Counter())[end] += 1
                total += not end.startswith("came")
                if not end.startswith(("same", "came")):
                    print(f"{name}, {kill}: {end}", flush=True)
                    bad += 1
            print(f"{total} kills, {bad} with a bad end", flush=True)
    for name, found in ends.items():
        print(f"{name}: " + ", ".join(f"{count} {end}" for end, count in found.items()))
    return bad


def _texts(folder: Path) -> tuple[Path, Path]:
    words = ["red", "fox", "lazy", "dog", "runs", "over", "brown", "hare"]
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(words, 9)) for _ in range(400)]
    source, labeled = folder / "texts.txt", folder / "labeled.jsonl"
    source.write_text("\n".join(texts) + "\n")
    rows = [{"text": text, "label": str("fox" in text)} for text in texts[:60]]
    labeled.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return source, labeled


def _images(folder: Path) -> tuple[Path, Path]:
    random = np.random.default_rng(1)
    for number in range(80):
        shade = ("dark", "light")[number % 2]
        for top in ("unlabeled", f"labeled/{shade}"):
            (folder / top).mkdir(parents=True, exist_ok=True)
            low = 128 * (number % 2)
            pixels = random.integers(low, low + 128, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / top / f"{number}.png")
    (folder / "unlabeled" / "bad.png").write_bytes(b"no picture")
    return folder / "unlabeled", folder / "labeled"


def _events(folder: Path) -> tuple[Path, Path]:
    random = np.random.default_rng(1)
    source = folder / "events.csv"
    rows = ["user_id,item_id,timestamp"]
    for user in range(60):
        first = int(random.integers(25))
        rows += [f"u{user},i{(first + step) % 25},{step}" for step in range(random.integers(4, 9))]
    source.write_text("\n".join(rows) + "\n")
    return source, source


#: What writes the sources of each kind of data, and the endings of what verbs write.
SOURCES = {"text": _texts, "image": _images, "interactions": _events}
ENDINGS = {"embed": ".npy", "label": ".csv", "evaluate": ".html", "recommend": ".csv"}


if __name__ == "__main__":
    kinds = {"loop": loop, "verbs": verbs}
    what = [word for word in sys.argv[1:] if word in kinds] or list(kinds)
    kills_wanted = next((int(word) for word in sys.argv[1:] if word.isdigit()), 60)
    raise SystemExit(sum(kinds[name](kills_wanted) for name in what) > 0)
