"""Measure the functions of the standard library's modules: branches, lines, module and name.

As a task of an array it takes its share of the modules: SGE_TASK_ID of SGE_TASK_LAST.
"""

from __future__ import annotations

import argparse
import ast
import csv
import os
import sysconfig
from pathlib import Path

BRANCHES = (ast.If, ast.For, ast.While, ast.Try, ast.BoolOp, ast.IfExp, ast.comprehension, ast.Match)


def measure(module: Path) -> list[tuple[int, int, str, str]]:
    """Return (branches, lines, module, function) of each function in a source file."""
    found = []
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            branches = sum(isinstance(inner, BRANCHES) for inner in ast.walk(node))
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            found.append((branches, lines, module.stem, node.name))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="where the results go")
    parser.add_argument("--module", help="only this module of the standard library")
    options = parser.parse_args()

    library = Path(sysconfig.get_paths()["stdlib"])
    modules = [library / f"{options.module}.py"] if options.module else sorted(library.glob("*.py"))
    task = os.environ.get("SGE_TASK_ID", "undefined")
    if task != "undefined":
        modules = modules[int(task) - 1 :: int(os.environ["SGE_TASK_LAST"])]

    options.folder.mkdir(exist_ok=True)
    with (options.folder / f"{task}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for module in modules:
            writer.writerows(measure(module))
    print(f"{len(modules)} modules measured")


if __name__ == "__main__":
    main()
