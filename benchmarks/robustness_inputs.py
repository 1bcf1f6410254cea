"""All damaged run folders, odd option values and odd inputs: is each answered by one sentence?

    python benchmarks/robustness_inputs.py [damages] [values] [inputs] [events] [--cases N]
        [--out FOLDER]

`make test` runs a sample of the same generators, which lie in tests/robustness. Each case is one
command in this process on tiny runs. An answer is right if it exits with 0, 1 or 2 within a minute,
and if a refusal has at most 300 characters, names what to do, leaves no file behind, and loses no
good record. All cases take some hours; `--cases` draws that many of each kind,
and `--first` and `--last` divide them among processes. Every answer is
written to FOLDER/answers.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "robustness"))

import damages
import events
import inputs
import tiny_runs
import values
from calling import Answer, call, files_in
from setting import announce

#: Odd tables of events.
EVENTS = 2000
#: A case, the command that it gives in an empty folder, and whether it may not be refused.
Prepare = Callable[[Any, Path], list[str]]


def main() -> None:
    """Run the cases, and print how many of each kind were answered wrongly, and how."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", default=["damages", "values", "inputs", "events"])
    parser.add_argument("--cases", type=int, help="cases of each kind; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="case to begin with, of each kind")
    parser.add_argument("--last", type=int, help="case to end before, of each kind")
    parser.add_argument("--out", type=Path, default=Path("runs/robustness"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    announce("All damages, odd values and odd inputs")
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        tiny_runs.make_runs(runs)
        typical = tiny_runs.typical(runs)

        def of_value(case: values.Case, scratch: Path) -> list[str]:
            values.make_odd_paths(scratch)
            return case.words(typical[case.verb])

        kinds: dict[str, tuple[Iterable[Any], Prepare]] = {
            "damages": (
                damages.cases(runs, tiny_runs.COMMANDS),
                lambda case, scratch: case.prepared(runs, scratch),
            ),
            "values": (values.cases(), of_value),
            "inputs": (inputs.cases(), lambda case, scratch: case.prepared(runs, scratch)),
            "events": (events.cases(EVENTS), lambda case, scratch: case.prepared(scratch)),
        }
        with open(options.out / "answers.jsonl", "w", encoding="utf-8") as log:
            for kind in options.kinds:
                found, prepare = kinds[kind]
                cases = list(found)[options.first : options.last]
                if options.cases is not None and options.cases < len(cases):
                    cases = random.Random(options.seed).sample(cases, options.cases)
                counts: Counter[str] = Counter()
                for case in cases:
                    answer, faults = answered(case, prepare, Path(folder) / "scratch")
                    counts.update(faults)
                    counts[f"exit {answer.code}"] += not faults
                    row = {"case": str(case), "code": answer.code, "message": answer.message}
                    log.write(json.dumps({**row, "faults": faults}) + "\n")
                    log.flush()
                print(f"{kind}: {len(cases)} cases, {dict(counts.most_common())}", flush=True)


def answered(case: Any, prepare: Prepare, scratch: Path) -> tuple[Answer, list[str]]:
    """Run one case in a new folder; return the answer and what is wrong with it."""
    scratch.mkdir()
    before_here = Path.cwd()
    try:
        os.chdir(scratch)
        words = prepare(case, scratch)
        before = files_in([scratch])
        answer = call(*words)
        made = files_in([scratch]) - before if answer.code else set()
    finally:
        os.chdir(before_here)
        shutil.rmtree(scratch, ignore_errors=True)
    faults = [fault.partition(" of ")[0] for fault in answer.faults]
    if made:
        faults.append("files left behind")
    if answer.code and isinstance(case, inputs.Case) and not case.is_alone:
        faults.append("good records lost")
    return answer, faults


if __name__ == "__main__":
    main()
