"""The layers of the design: which package may import which, no circles, and no long functions.

Every import counts: those inside of functions, those under ``if TYPE_CHECKING`` (what a package knows of
another by name it depends on, whether at run time or not), and ``import_module`` of a name of ours.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import asyncjman

PACKAGE = Path(asyncjman.__file__).parent
MOST_LINES = 60
"""Of a function's body."""

PACKAGES: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "version": frozenset(),
    # whose a file is: asked by whatever reads what decides what is run
    "ownership": frozenset(),
    "settings": frozenset({"errors", "ownership"}),
    "model": frozenset({"errors"}),
    # the clock, the process, the machine: below all that needs them
    "procfs": frozenset(),
    "runtime": frozenset({"procfs"}),
    "suspension": frozenset(),
    "store": frozenset({"model", "errors", "runtime", "suspension", "ownership"}),
    # what engines share of this machine: paths of logs, variables of a task, durable files, programs
    "system": frozenset({"model", "settings", "errors", "ownership"}),
    "engines": frozenset(
        {"system", "model", "settings", "errors", "ownership", "procfs", "worker", "template"}
    ),
    "scheduler": frozenset(
        {"store", "engines", "system", "model", "settings", "errors", "runtime", "procfs"}
    ),
    "api": frozenset(
        {
            "scheduler",
            "store",
            "engines",
            "system",
            "model",
            "settings",
            "errors",
            "runtime",
            "ownership",
            "worker",
        }
    ),
    "render": frozenset({"model", "errors"}),
    "cli": frozenset({"api", "render", "model", "settings", "suspension", "errors"}),
    # python -m asyncjman is the command line
    "__main__": frozenset({"cli"}),
    # what runs a function job in a process of its own, and what such processes are forked from
    "worker": frozenset(),
    "template": frozenset({"worker"}),
    # not in the design's table: slices is for the program that a task runs
    "slices": frozenset(),
    # the verbs of the API for programs without an event loop
    "sync": frozenset({"api", "model"}),
    # the public names
    "": frozenset({"api", "model", "errors", "settings", "slices"}),
}


def modules(package: Path) -> dict[str, Path]:
    """Return all modules by their dotted name."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = [package.name, *file.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(package: Path) -> dict[str, set[str]]:
    """Return for each module the modules of ours that it imports."""
    names = modules(package)
    found: dict[str, set[str]] = {}
    for name, file in names.items():
        tree = ast.parse(file.read_text("utf-8"))
        found[name] = {
            target
            for imported in _imported(tree, package.name, name, is_package=file.name == "__init__.py")
            if (target := _module_of(imported, names)) is not None and target != name
        }
    return found


def _imported(tree: ast.AST, package: str, module: str, *, is_package: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                up = parts[: len(parts) - node.level + is_package]
                base = ".".join([*up, base] if base else up)
            yield from (f"{base}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Call) and node.args and _is_import_module(node.func):
            yield _literal_start(node.args[0])


def _is_import_module(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def _literal_start(argument: ast.expr) -> str:
    """Return the part of a name that is known before the program runs."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    if isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        return str(argument.values[0].value).rstrip(".")
    return ""


def _module_of(imported: str, names: dict[str, Path]) -> str | None:
    """Return the module that an imported name is, or is in."""
    while imported:
        if imported in names:
            return imported
        imported = imported.rpartition(".")[0]
    return None


def package(module: str) -> str:
    """Return the package of a module: the first part of its name after the package's."""
    return module.split(".")[1] if "." in module else ""


def wrong_arrows(found: dict[str, set[str]]) -> list[str]:
    """Return the imports that the table does not allow."""
    return [
        f"{name} imports {target}"
        for name, targets in found.items()
        for target in sorted(targets)
        if package(target) not in PACKAGES.get(package(name), frozenset()) | {package(name), "version"}
    ]


def circle(found: dict[str, set[str]]) -> list[str] | None:
    """Return modules that import each other in a circle, the first one twice."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for target in sorted(found.get(name, ())):
            if seen := visit(target, [*path, name]):
                return seen
        done.add(name)
        return None

    return next((seen for name in found if (seen := visit(name, []))), None)


def test_every_package_is_in_the_table() -> None:
    assert {package(name) for name in modules(PACKAGE)} <= PACKAGES.keys()


def test_imports_go_one_way() -> None:
    assert wrong_arrows(imports(PACKAGE)) == []


def test_the_packages_have_no_circle() -> None:
    assert circle({name: set(targets) for name, targets in PACKAGES.items()}) is None


def test_the_walk_sees_the_package() -> None:
    found = imports(PACKAGE)
    assert "asyncjman.store.database" in found["asyncjman.scheduler.feed"]
    assert "asyncjman.cli.start" in found["asyncjman.__main__"]
    assert "asyncjman.api.request" in found["asyncjman.cli.submit"], "an import inside of a function"
    assert "asyncjman.store.jobs" in found["asyncjman.scheduler.feed"], "from a package, a module"


@pytest.mark.parametrize(
    "line",
    [
        "import fake.cli.main",
        "from fake.cli import main",
        "from fake.cli.main import run",
        "from ..cli import main",
        "def later():\n    from fake.cli import main",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from fake.cli import main",
        "from importlib import import_module\nimport_module(f'fake.cli.{1}')",
    ],
)
def test_a_wrong_arrow_is_found(tmp_path: Path, line: str) -> None:
    package = tmp_path / "fake"
    for name in ("store", "cli"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "cli" / "main.py").write_text("")
    (package / "store" / "jobs.py").write_text(line + "\n")
    arrows = wrong_arrows(imports(package))
    assert len(arrows) == 1
    assert arrows[0].startswith("fake.store.jobs imports fake.cli")


def test_a_circle_is_found(tmp_path: Path) -> None:
    package = tmp_path / "fake"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, other in (("one", "two"), ("two", "three"), ("three", "one")):
        (package / f"{name}.py").write_text(f"def lazy():\n    from fake import {other}\n")
    seen = circle(imports(package))
    assert seen is not None
    assert len(seen) == 4
    assert seen[0] == seen[-1]
    assert set(seen) == {"fake.one", "fake.two", "fake.three"}


# -- engines ---------------------------------------------------------------------------------------

ENGINE_WORDS = re.compile(r"\b(sge|slurm|qsub|qstat|qdel|qacct|qconf|qalter|sbatch|squeue|scancel|sacct)\b")
MAY_NAME_ENGINES = {
    "settings": "the names of settings, and what they mean",
    "cli.parser": "the help of --cluster",
    "cli.submit": "--sge-extra-args, an option that users have",
    "cli.take_over": "what to type where a job of another user may run",
}


def _literals(tree: ast.AST) -> Iterator[str]:
    """Yield the text literals of a module, but for docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_an_engine_is_named_in_its_own_folder_only() -> None:
    named = {
        name.removeprefix("asyncjman.")
        for name, file in modules(PACKAGE).items()
        if package(name) != "engines"
        and any(ENGINE_WORDS.search(text) for text in _literals(ast.parse(file.read_text("utf-8"))))
    }
    assert named == MAY_NAME_ENGINES.keys()


def test_the_protocol_is_all_that_is_known_of_engines() -> None:
    """Who makes engines knows their table, too: nobody below the API does."""
    public = {"asyncjman.engines", "asyncjman.engines.base"}
    made = {"api": public | {"asyncjman.engines.registry"}}
    knowing = {
        f"{name} imports {one}"
        for name, targets in imports(PACKAGE).items()
        for one in targets
        if package(name) != "engines"
        and package(one) == "engines"
        and one not in made.get(package(name), public)
    }
    assert knowing == set()


def test_engines_do_not_know_each_other() -> None:
    def folder(name: str) -> str:
        parts = name.split(".")
        return parts[2] if len(parts) > 3 or parts[-1] in ("local", "cluster", "sge", "slurm") else ""

    wrong = [
        f"{name} imports {target}"
        for name, targets in imports(PACKAGE).items()
        if package(name) == "engines" and name != "asyncjman.engines.registry"
        for target in targets
        if package(target) == "engines"
        and folder(target) not in ("", folder(name))
        and not (folder(target) == "cluster" and folder(name) not in ("local", ""))
    ]
    assert wrong == []


def test_no_function_body_is_long() -> None:
    """A command's signature aside, which has a line for each option."""
    found = []
    for name, path in modules(PACKAGE).items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.body[0].lineno + 1
                if length > MOST_LINES:
                    found.append(f"{name}.{node.name}: {length} lines")
    assert not found
