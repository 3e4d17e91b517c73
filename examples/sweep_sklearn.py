"""A sweep over models of scikit-learn: each cross validation is a task, and what is best is trained again.

pip install 'asyncjman[examples]'
python examples/sweep_sklearn.py
"""

from __future__ import annotations

import itertools
import tempfile
from typing import Any

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from asyncjman.sync import JobManager


def model_of(strength: float, solver: str) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, solver=solver, max_iter=1000))


def score(strength: float, solver: str) -> float:
    """Return the mean accuracy of five folds: this runs in a process of its own, or on a cluster."""
    data, target = load_iris(return_X_y=True)
    return float(cross_val_score(model_of(strength, solver), data, target, cv=5).mean())


def train(best: tuple[float, str]) -> Any:
    """Return the fitted model; it comes back pickled."""
    data, target = load_iris(return_X_y=True)
    return model_of(*best).fit(data, target)


def main(database: str) -> None:
    grid = list(itertools.product([0.01, 0.1, 1.0, 10.0], ["lbfgs", "newton-cg"]))
    with JobManager(database, parallel=2) as jm:  # executor="slurm" sends the same to the cluster
        # warm: a process imports scikit-learn once, and takes several tasks
        sweep = jm.options(name="score", timeout="10m", retry=1, workers="warm")
        scores = sweep.starmap(score, grid)
        best = max(zip(scores, grid, strict=True))
        model = jm.start(train, best[1])  # stays on disk: jm.get(model.id).value()
        for (strength, solver), one in zip(grid, scores, strict=True):
            print(f"C={strength:<5} {solver:<10} {one:.3f}")
        print(f"best: {best[1]}, trained: {model.value().score(*load_iris(return_X_y=True)):.2f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(f"{folder}/submitted.sql3")
