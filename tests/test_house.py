"""The house rules that a reader could otherwise only hope for, read from the source itself."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from types import FunctionType

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "headstart"
MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}

NAMES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in MODULES
}

#: data goes one way: a module may import its own stage and those before it
STAGES = [
    {
        "version",
        "errors",
        "stopping",
        "registry",
        "registries",
        "files",
        "batch",
        "seeding",
        "config",
        "run",
        "pages",
        "working",
        "precision",
        "ranks",
        "claim",
        "outputs",
        "stored",
        "weights",
    },
    {"data"},
    {"modalities"},
    {"encoders"},
    {"objectives"},
    {"training"},
    {"evaluation"},
    {"downstream"},
    {"labeling"},
    {"deployment"},
    {"verbs"},
    {"answers", "catalog", "cli", "entry", "machine", "said", "usage", "__init__", "__main__"},
]


def stage(name: str) -> int:
    """Return the place of a stage's folder or module in the order."""
    return next(index for index, names in enumerate(STAGES) if name in names)


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the full names of all modules that a file imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are written in full"
            if node.module == "headstart":
                yield from (f"headstart.{alias.name}" for alias in node.names)
            else:
                yield node.module


def test_no_stage_imports_a_later_one() -> None:
    later = []
    for path, tree in MODULES.items():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imports(tree):
            top, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if top != "headstart" or not rest:
                continue
            known = any(other in names for names in STAGES)
            if known and stage(other) > stage(own):
                later.append(f"{name_of(path)} imports {name}")
    assert later == []


def imported_modules(path: Path) -> set[str]:
    """Return the modules of this package that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(MODULES[path]):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in NAMES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(NAMES)


def test_no_imports_go_in_a_circle() -> None:
    """Imports within functions and for types count as well: they bind the same two files."""
    before = {name: imported_modules(path) - {name} for name, path in NAMES.items()}
    while free := {name for name, others in before.items() if not others}:
        before = {name: others - free for name, others in before.items() if name not in free}
    assert before == {}


#: What only one kind of data is called (of texts there are pairs, too), and the tensors that only
#: some kinds have.
KINDS = {path.name for path in (PACKAGE / "modalities").iterdir() if (path / "content.py").exists()}
TENSORS = {"pixels", "input_ids", "waveform", "items"}
#: The entries of the registry of kinds, the column names of other people's data, and elements of
#: HTML, SVG and JSON that happen to be called so.
OWN_WORDS = {
    "registries.py",
    "modalities/__init__.py",
    "data/pairs.py",
    "answers.py",
    "pages/charts.py",
    "pages/evidence.py",
    "pages/cards.py",
}
OWN_WORDS |= {"pages/dots.py", "pages/heat.py", "pages/scatter.py", "pages/tradeoff.py"}
#: Where tensors are named that are of ids or of pixels by definition.
OF_TENSORS = ("batch.py", "modalities/tokens/", "encoders/", "objectives/")
OF_TENSORS += ("downstream/wide.py", "deployment/generate.py")


def strings(path: Path) -> set[str]:
    """Return the string constants of a file, docstrings left out."""
    tree = MODULES[path]
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documented
    }


def test_what_only_one_kind_of_data_knows_lies_in_its_rooms() -> None:
    assert {"text", "image"} <= KINDS
    rooms = tuple(f"{stage}/{kind}/" for stage in ("modalities", "downstream") for kind in KINDS)
    misplaced = []
    for path in MODULES:
        name = name_of(path)
        if name.startswith(rooms):
            continue
        found = set() if name in OWN_WORDS else strings(path) & (KINDS - {"pairs"})
        if not name.startswith(OF_TENSORS):
            found |= strings(path) & TENSORS
        misplaced += [f"{name} says {word!r}" for word in sorted(found)]
    assert misplaced == []


#: What needs a room besides the tasks of that kind: libraries and networks that write texts alone.
OF_A_KIND = {
    "encoders/sentence_transformers.py",
    "deployment/generate.py",
    "deployment/writing.py",
    "evaluation/written.py",
}


def test_rooms_are_entered_through_their_contracts() -> None:
    """Nothing outside a room imports from it: what others need is asked of the modality."""
    rooms = tuple(f"{stage}/{kind}/" for stage in ("modalities", "downstream") for kind in KINDS)
    leaks = []
    for path in MODULES:
        name = name_of(path)
        if not name.startswith(rooms) and name not in OF_A_KIND:
            leaks += [
                f"{name} imports {found}"
                for found in imports(MODULES[path])
                for kind in KINDS
                if found.startswith(f"headstart.modalities.{kind}")
            ]
    assert leaks == []


def test_every_module_has_a_stage() -> None:
    tops = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert tops <= set().union(*STAGES)


def test_the_table_of_the_architecture_names_every_module_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("| where | what |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [name.rstrip("/") for cell in cells for name in re.findall("`(.+?)`", cell)]
    tops = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert sorted(named) == sorted(tops - {"__init__", "__main__"})


def test_the_architecture_names_every_group_of_entry_points() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    sentence = text.partition("Every registry also takes entry points")[2].partition(")")[0]
    groups = {
        ast.literal_eval(keywords["group"])
        for tree in MODULES.values()
        for name, keywords in calls(tree)
        if name.startswith("Registry") and "group" in keywords
    }
    named = {f"headstart.{name}" for name in re.findall(r"`(?:headstart)?\.(\w+)`", sentence)}
    assert named == groups


def test_no_file_is_longer_than_400_lines() -> None:
    files = [
        path
        for part in ("src", "tests", "docs", "examples")
        for path in (ROOT / part).rglob("*.py")
    ]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "misc", "common", "tools", "base"}
    assert [name_of(path) for path in MODULES if path.stem in drawers] == []


def documented_by_contracts() -> set[str]:
    """Return the names that a Protocol of this package documents once for all that honour it."""
    return {
        member.name
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)
        for member in node.body
        if isinstance(member, ast.FunctionDef) and ast.get_docstring(member)
    }


#: Libraries of extras that `make test` does not install.
LEFT_OUT = {"psycopg"}


def test_every_public_name_has_a_docstring() -> None:
    """A method may inherit its docstring from its base class, or from the contract it honours."""
    contracts = documented_by_contracts()
    without = []
    for path in sorted(MODULES):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        if path.stem == "__main__":
            continue
        try:
            module = import_module(name.removesuffix(".__init__"))
        except ModuleNotFoundError as error:
            # The library of an extra that the tests do without.
            if error.name not in LEFT_OUT:
                raise
            continue
        without += [name] * (bool(MODULES[path].body) and not module.__doc__)
        for public, thing in vars(module).items():
            if public.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(thing) or inspect.isclass(thing):
                without += [f"{name}.{public}"] * (not thing.__doc__)
            if inspect.isclass(thing):
                without += [
                    f"{name}.{public}.{method}"
                    for method, value in vars(thing).items()
                    if not method.startswith("_")
                    and method not in contracts
                    and isinstance(value, FunctionType | property | classmethod | staticmethod)
                    and not inspect.getdoc(getattr(thing, method))
                ]
    assert without == []


def calls(tree: ast.Module) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name and the keyword arguments of every call in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield (
                ast.unparse(node.func),
                {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg},
            )


def test_nothing_read_can_run_code() -> None:
    unsafe = []
    pickles = {
        f"{name}.{load}" for name in ("pickle", "dill", "joblib") for load in ("load", "loads")
    }
    for path, tree in MODULES.items():
        for name, keywords in calls(tree):
            if name in {"eval", "exec", "yaml.load", "yaml.unsafe_load", "os.system"} | pickles:
                unsafe.append(f"{name_of(path)} calls {name}")
            if name == "torch.load" and keywords.get("weights_only") != "True":
                unsafe.append(f"{name_of(path)} calls torch.load without weights_only=True")
            if keywords.get("trust_remote_code", "False") != "False":
                unsafe.append(f"{name_of(path)} trusts remote code")
            if keywords.get("allow_pickle", "False") != "False":
                unsafe.append(f"{name_of(path)} allows pickles")
            if keywords.get("shell", "False") != "False":
                unsafe.append(f"{name_of(path)} calls a shell")
    assert unsafe == []


def test_checkpoints_are_read_in_one_module() -> None:
    readers = {
        name_of(path)
        for path, tree in MODULES.items()
        if any(name == "torch.load" for name, _ in calls(tree))
    }
    assert len(readers) <= 1


def test_nothing_is_left_unfinished() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError")
    assert [
        name_of(path) for path in MODULES if marks.search(path.read_text(encoding="utf-8"))
    ] == []


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + list(chain(*project["optional-dependencies"].values()))
    declared = {re.match(r"[\w.-]+", line)[0].lower() for line in lines}  # type: ignore[index]
    homes = packages_distributions()
    undeclared = set()
    for tree in MODULES.values():
        for name in imports(tree):
            top = name.partition(".")[0]
            if top != "headstart" and top not in sys.stdlib_module_names:
                homes_of = {home.lower() for home in homes.get(top, [top])}
                if not homes_of & declared:
                    undeclared.add(top)
    assert undeclared == set()


def test_temporary_folders_are_where_those_of_killed_processes_are_deleted() -> None:
    made = re.compile(r"(TemporaryDirectory|mkdtemp)\((?!dir=scratch\(\))")
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if made.search(path.read_text().replace("TemporaryDirectory[str]", ""))
    }
    assert found == {"src/headstart/files.py"}
