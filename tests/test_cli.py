"""The command line: options come from the models, answers are clean, exit codes fixed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from typer.testing import CliRunner, Result

import headstart
from headstart.cli import VERBS, app
from headstart.config import Options
from headstart.errors import HeadstartError
from headstart.training.interrupt import Interrupted

Shell = Callable[..., Result]


@pytest.fixture
def shell() -> Shell:
    """Run one command line in this process, on a terminal wide enough not to break words."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), env={"COLUMNS": "300", "NO_COLOR": "1"})

    return run


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Replace a verb by one that records how it was called, makes noise, and answers."""

    def replace(name: str, answer: Any = None) -> list[Any]:
        calls: list[Any] = []

        def fake(*arguments: Any, **options: Any) -> Any:
            print("noise on standard output")
            calls.append((arguments, options))
            if isinstance(answer, BaseException):
                raise answer
            return answer if answer is not None else {"done": True}

        monkeypatch.setitem(vars(headstart), name, fake)
        return calls

    return replace


# -- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VERBS)
def test_help_names_every_option_of_the_model_and_its_default(shell: Shell, name: str) -> None:
    model, positional = VERBS[name]
    output = " ".join(shell(name, "--help").stdout.split())
    for field_name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Options):
            for inner in kind.model_fields:
                assert f"{field_name}.{inner} " in output
        elif field_name in positional:
            assert field_name[:-1].upper() in output
        elif not isinstance(field.get_default(call_default_factory=True), dict):
            assert f"--{field_name.rstrip('_').replace('_', '-')} " in output
            assert field.description
            assert field.description in output
    if "budget" in model.model_fields:
        assert f"(default {model.model_fields['budget'].default})" in output


def test_help_tells_bounds(shell: Shell) -> None:
    assert "(default 0.01, >= 0, <= 0.5)" in " ".join(shell("pretrain", "--help").stdout.split())


def test_only_what_was_given_is_handed_on(shell: Shell, verb: Callable[..., list[Any]]) -> None:
    calls = verb("pretrain")
    shell("pretrain", "a.txt", "b", "--out", "runs/x", "--seed", "0", "--resume", "--length", "64")
    options = {"out": "runs/x", "seed": 0, "resume": True, "length": 64}
    assert calls == [(("a.txt", "b"), options)]


def test_a_config_file_and_settings_are_handed_on_as_they_are(
    shell: Shell, verb: Callable[..., list[Any]]
) -> None:
    calls = verb("pretrain")
    settings = ["text.tokenizer.kind=char", "optimizer.betas=[0,1]"]
    words = ["--config", "o.yaml", "--set", settings[0], "--set", settings[1]]
    shell("pretrain", *words, "--length", "32")
    assert calls == [((), {"config": "o.yaml", "settings": settings, "length": 32})]


def test_resuming_asks_for_the_folder_alone(shell: Shell, verb: Callable[..., list[Any]]) -> None:
    calls = verb("pretrain")
    assert shell("pretrain", "--out", "runs/x", "--resume").exit_code == 0
    assert calls == [((), {"out": "runs/x", "resume": True})]


def test_predictions_that_were_written_are_not_printed(
    shell: Shell, verb: Callable[..., list[Any]]
) -> None:
    verb("predict", [{"label": "a"}])
    assert shell("predict", "run", "x", "--out", "p.csv").stdout == "wrote p.csv\n"


def test_a_list_may_be_written_with_commas(shell: Shell, verb: Callable[..., list[Any]]) -> None:
    calls = verb("evaluate")
    shell("evaluate", "run", "--train", "a,b.csv", "--labels", "10,5%", "--labels", "all")
    assert calls == [(("run",), {"train": "a,b.csv", "labels": ["10", "5%", "all"]})]


def test_columns_are_given_one_by_one_and_may_have_commas_and_equals_signs(
    shell: Shell, verb: Callable[..., list[Any]]
) -> None:
    calls = verb("evaluate")
    words = ["--column", "text=body, or title", "--column", "pair=a=b", "--label-column", "stars"]
    shell("evaluate", "run", "--train", "x", *words)
    columns = {"text": "body, or title", "pair": "a=b"}
    assert calls == [(("run",), {"train": "x", "columns": columns, "label_column": "stars"})]
    done = shell("evaluate", "run", "--train", "x", "--column", "body")
    assert done.exit_code == 2
    assert "it must read NAME=COLUMN" in done.stderr


@pytest.mark.parametrize("name", sorted(set(VERBS) - {"generate", "serve"}))
def test_every_verb_that_reads_takes_columns(shell: Shell, name: str) -> None:
    output = " ".join(shell(name, "--help").stdout.split())
    assert "--column NAME=COLUMN" in output
    assert "Short for --column label=COLUMN." in output


def test_inputs_with_commas_stay_whole(shell: Shell, verb: Callable[..., list[Any]]) -> None:
    calls = verb("predict")
    shell("predict", "run", "one,two.txt", "three.txt")
    assert calls == [(("run", "one,two.txt", "three.txt"), {})]


def test_the_options_of_a_kind_of_data_are_listed_and_help_says_where(shell: Shell) -> None:
    listed = json.loads(shell("list", "modalities", "--json").stdout)
    assert listed["text"]["options"]["tokenizer.kind"].startswith("Tokenizer family")
    assert listed["text"]["options"]["quality_numbers.min_words"].endswith("(default 50, >= 0)")
    output = " ".join(shell("pretrain", "--help").stdout.split())
    assert "--set MODALITY.KEY=VALUE; `headstart list modalities` has them" in output


# -- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "answer", "printed"),
    [
        ("predict", ["run", "a"], [{"label": "ü"}], {"rows": [{"label": "ü"}]}),
        ("embed", ["run", "a", "--out", "v.npy"], Path("v.npy"), {"out": "v.npy"}),
        ("generate", ["run", "--prompt", "x"], "x\ny", {"text": "x\ny"}),
        ("info", ["run"], {"verb": "pretrain"}, {"verb": "pretrain"}),
    ],
)
def test_json_is_one_object_and_nothing_else(
    shell: Shell,
    verb: Callable[..., list[Any]],
    name: str,
    words: list[str],
    answer: Any,
    printed: dict[str, Any],
) -> None:
    verb(name, answer)
    done = shell(name, *words, "--json")
    assert json.loads(done.stdout) == printed
    assert "noise" in done.stderr
    assert done.exit_code == 0


def test_a_finished_run_is_told_by_its_info(
    shell: Shell, verb: Callable[..., list[Any]], tmp_path: Path
) -> None:
    verb("pretrain", headstart.Run(tmp_path))
    verb("info", {"steps": 7})
    assert json.loads(shell("pretrain", "a", "--out", "x", "--json").stdout) == {"steps": 7}
    assert str(tmp_path) in shell("pretrain", "a", "--out", "x").stdout


def test_a_report_is_its_summary_for_programs_and_its_verdict_for_people(
    shell: Shell, verb: Callable[..., list[Any]]
) -> None:
    class Report:
        def summary(self) -> dict[str, str]:
            return {"verdict": "No."}

        def __str__(self) -> str:
            return "No."

    verb("evaluate", Report())
    assert json.loads(shell("evaluate", "run", "--train", "x", "--json").stdout) == {
        "verdict": "No."
    }
    assert shell("evaluate", "run", "--train", "x").stdout == "No.\n"


def test_without_json_noise_still_stays_off_standard_output(
    shell: Shell, verb: Callable[..., list[Any]]
) -> None:
    verb("predict", [{"label": "a"}, {"label": "b"}])
    assert shell("predict", "run", "x").stdout == '{"label": "a"}\n{"label": "b"}\n'


def test_list_tells_each_objective_with_its_options(shell: Shell) -> None:
    output = json.loads(shell("list", "objectives", "--json").stdout)
    assert {"mlm", "clm", "simcse"} <= set(output)
    assert all(entry["about"] for entry in output.values())
    assert "default 0.05" in output["simcse"]["options"]["temperature"]


def test_doctor_tells_cores_bf16_and_versions(shell: Shell) -> None:
    output = json.loads(shell("doctor", "--json").stdout)
    assert output["cores"] >= 1
    assert output["memory_gb"] > 0
    assert output["bf16"] in {True, False}
    assert isinstance(output["advice"], list)


# -- exit codes ----------------------------------------------------------------------------------


def test_a_mistake_is_one_sentence_and_exit_code_1(
    shell: Shell, verb: Callable[..., list[Any]]
) -> None:
    verb("info", HeadstartError("there is no run at runs/x; check the path."))
    done = shell("info", "runs/x")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.endswith("error: there is no run at runs/x; check the path.\n")
    assert json.loads(shell("info", "runs/x", "--json").stdout) == {
        "error": "there is no run at runs/x; check the path."
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seed", "-1"], "option 'seed' must be at least 0"),
        (["--set", "seed=often"], "option 'seed' must be a whole number (given: 'often')"),
        (["--set", "quality={a: 1}"], "option 'quality' must be a list"),
        (["--set", "quality=1"], "there is no quality rule '1'"),
        (["--set", "optimizer=1"], "option 'optimizer' must be a table of keys and values"),
        (["--set", "compile=maybe"], "option 'compile' must be true or false"),
        (["--budget", "20"], "'20' is no budget; write for example 30min, 5000steps or 3epochs.\n"),
        (["--budget", "soon"], "'soon' is no budget"),
        (["--encoder", ""], "option 'encoder': '' is empty; leave it out, or give it one."),
        (["--probe", " "], "option 'probe': ' ' is empty; leave it out, or give it one."),
        (["--out", ""], "option 'out': '' is empty; give it a value."),
        (["--column", "text= "], "option 'columns': ' ' is empty; leave it out, or give it one."),
        (["--label-column", ""], "the name of the label column is empty; leave it out"),
        (["--config", ""], "option 'config' is empty; leave it out, or name a file"),
        (["--budget", "1.5steps"], "steps are whole"),
        (["--set", "sed=1"], "unknown option 'sed'; did you mean 'seed'?"),
        (["--set", "optimizer.warm=1"], "did you mean 'optimizer.warmup'?"),
        (["--set", "seed"], "--set 'seed' must read key=value"),
        (["--set", "optimiser.name=muon"], "nothing is called 'optimiser'; did you mean"),
        (["--set", "mml.mask_ratio=0.3"], "nothing is called 'mml'; did you mean 'mlm'?"),
        (["--set", "txt.tokenizer.kind=bpe"], "nothing is called 'txt'; did you mean 'text'?"),
        (["--set", "text.tokeniser.kind=bpe"], "'text' has no option 'tokeniser'; did you mean"),
        (["--set", "text.tokenizer.kind=bbpe"], "option 'text.tokenizer.kind' must be 'auto'"),
        (["--config", "nowhere.yaml"], "the config file nowhere.yaml cannot be read"),
    ],
)
def test_a_refused_option_is_exit_code_1(shell: Shell, words: list[str], sentence: str) -> None:
    done = shell("pretrain", "a", "--out", "x", *words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert sentence in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pretrain", "a", "--out", "x", "--objectve", "mlm"], "--objective"),
        (["pretran", "a"], "Did you mean 'pretrain'?"),
        (["pretrain", "a"], "--out"),
        (["pretrain", "--out", "x"], "SOURCE..."),
        (["finetune", "--train", "x"], "RUN"),
        (["pretrain", "a", "--out", "x", "--seed", "one"], "--seed"),
        (["pretrain", "a", "--out", "x", "--precision", "fp8"], "--precision"),
        (["list", "objectivs"], "objectives"),
        (["pretrain", "a", "--zzz"], "no option --zzz; `headstart pretrain --help` has all"),
        (["pretrain", "a", "--out"], "option '--out' requires an argument; see"),
        (["info"], "missing argument 'RUN"),
        (["pretrain", "a"], "error: --out is missing: run folder to write; see"),
        (["pretrain", "--out", "x"], "error: SOURCE... is missing: files, folders or globs; see"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    shell: Shell, words: list[str], sentence: str
) -> None:
    done = shell(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr) <= 300
    told = shell(words[0], "--json", *words[1:])
    assert json.loads(told.stdout)["error"]


def test_an_empty_name_is_no_run_here(shell: Shell) -> None:
    assert shell("info", "").stderr == "error: the name of the run is empty; name its folder.\n"


@pytest.mark.parametrize("name", VERBS)
def test_a_value_that_nothing_is_called_is_answered_in_300_characters(
    shell: Shell, name: str
) -> None:
    model, positional = VERBS[name]
    needed = [
        f"--{key}=x"
        for key, field in model.model_fields.items()
        if field.is_required() and key not in positional
    ]
    for given in ("--zz=1", "--objective=zz", "--set=zz=1", "--modality=zz", "--task=zz"):
        done = shell(name, "x", "y", *needed, given)
        assert done.exit_code in {1, 2}, done.stderr
        assert len(done.stderr) <= 300


def test_an_interruption_is_exit_code_130(shell: Shell, verb: Callable[..., list[Any]]) -> None:
    verb("pretrain", KeyboardInterrupt())
    assert shell("pretrain", "a", "--out", "x").exit_code == 130


def test_training_that_was_saved_on_a_signal_ends_with_its_number(
    shell: Shell, verb: Callable[..., list[Any]]
) -> None:
    verb("pretrain", Interrupted("saved at step 7; go on with --resume.", signal.SIGTERM))
    done = shell("pretrain", "a", "--out", "x")
    assert done.exit_code == 143
    assert "saved at step 7" in done.stderr


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(36, "File name too long", "a" * 300), "cannot be used: File name too long; check"),
        (MemoryError(), "memory ran out; take fewer records"),
    ],
)
def test_what_the_system_refuses_is_no_fault_of_ours(
    shell: Shell, verb: Callable[..., list[Any]], error: Exception, sentence: str
) -> None:
    verb("pretrain", error)
    done = shell("pretrain", "a", "--out", "x")
    assert done.exit_code == 1
    assert sentence in done.stderr


def test_a_fault_of_ours_is_exit_code_70_and_keeps_its_traceback(
    shell: Shell,
    verb: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("HEADSTART_DEBUG", raising=False)
    verb("pretrain", ZeroDivisionError("division by zero"))
    done = shell("pretrain", "a", "--out", "x")
    assert done.exit_code == 70
    assert "Traceback" not in done.stderr
    (log,) = tmp_path.glob("headstart-*.log")
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text(encoding="utf-8")
    monkeypatch.setenv("HEADSTART_DEBUG", "1")
    assert "Traceback" in shell("pretrain", "a", "--out", "x").stderr


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_list_of_an_option_can_be_typed(verb: str) -> None:
    model, _ = VERBS[verb]
    for name, field in model.model_fields.items():
        # With "or None" it would not be taken for a list, and a typed value be refused.
        assert not any(get_origin(each) is list for each in get_args(field.annotation)), name
