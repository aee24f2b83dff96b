"""Train the weights of lure judgement, and show what they are worth on mails that they have not seen.

    python -m benchmarks.lures.train FOLDER            # cross-validation, leave-one-out of groups, errors
    python -m benchmarks.lures.train FOLDER --write    # and the weights that the program uses

The model is linear; each weight has a prior mean (`prior.toml`) and can't cross zero. Folds keep the mails of one
sender or campaign together. Thresholds are fixed: suspicious from two to three (a lure
missed costs more than a second look), phishing from nine to one.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.lures.collection import Collection, read_collection
from tidegauge.lure.signals import GROUPS, NAMES

SUSPICIOUS, PHISHING = 0.4, 0.9
FOLDS, ROUNDS = 10, 5
HERE = Path(__file__).parent
WEIGHTS = HERE.parents[1] / "src/tidegauge/lure/data/weights.json"


def prior() -> tuple[float, NDArray[np.float64], float]:
    """Bias, weights and strength that hold before any mail is seen."""
    told = _prior()
    missing = set(NAMES) ^ set(told["weights"])
    assert not missing, f"signals and prior differ: {sorted(missing)}"
    return told["bias"], np.array([told["weights"][name] for name in NAMES]), told["strength"]


def _prior() -> dict[str, Any]:
    return tomllib.loads((HERE / "prior.toml").read_text())


def fit(values: NDArray[np.float64], bad: NDArray[np.bool_], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Bias and weights, shape (1 + signals,): the most likely ones under the prior (Gaussian around its means, of
    a spread of half the mean and more), none across zero; signals that are not kept weigh nothing."""
    bias, mean, strength = prior()
    mean = np.where(keep, mean, 0.0)
    start = np.concatenate([[bias], mean])
    spread = np.concatenate([[3.0], 0.4 + 0.4 * np.abs(mean)])
    share = np.where(bad, 0.5 / bad.mean(), 0.5 / (1 - bad.mean()))
    sign = np.where(bad, 1.0, -1.0)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (w[0] + values @ w[1:])
        slope = -share * sign / (1 + np.exp(np.clip(margin, -50, 50)))
        away = (w - start) / spread
        total = float(np.sum(share * np.logaddexp(0, -margin)) + strength / 2 * np.sum(away**2))
        return total, np.concatenate([[slope.sum()], values.T @ slope]) + strength * away / spread

    bounds = [(None, None)] + [
        (0.0, 0.0) if not k else (0.0, 6.0) if m > 0 else (-3.0, 0.0) for m, k in zip(mean, keep, strict=True)
    ]
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x)


def scores(w: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-(w[0] + values @ w[1:]))))


def crossed(data: Collection, keep: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """Scores of all mails, each by a model that saw none of its campaign."""
    out = np.zeros(len(data.bad))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(data.values, data.bad, data.groups):
        out[test] = scores(fit(data.values[train], data.bad[train], keep), data.values[test])
    return out


def figures(bad: NDArray[np.bool_], found: NDArray[np.float64]) -> dict[str, float]:
    """What share of lures is called something, and of wanted mail each."""
    return {
        "lures phishing": float(np.mean(found[bad] >= PHISHING)),
        "lures phishing or suspicious": float(np.mean(found[bad] >= SUSPICIOUS)),
        "wanted phishing": float(np.mean(found[~bad] >= PHISHING)),
        "wanted suspicious": float(np.mean((found[~bad] >= SUSPICIOUS) & (found[~bad] < PHISHING))),
        "area under the curve": float(roc_auc_score(bad, found)),
    }


def row(name: str, told: list[dict[str, float]]) -> str:
    cells = [
        f"{np.mean([t[k] for t in told]):.4f}" if "area" in k else f"{np.mean([t[k] for t in told]):.1%}"
        for k in told[0]
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument(
        "--errors", action="store_true", help="Name every mail that was judged wrongly, with its signals."
    )
    parser.add_argument("--weights", action="store_true", help="Show how far training moved each.")
    arguments = parser.parse_args()
    data = read_collection(arguments.folder)
    everything = np.ones(len(NAMES), bool)
    print(f"{data.bad.sum()} lures and {(~data.bad).sum()} wanted mails in {len(set(data.groups))} campaigns, "
          f"{FOLDS}-fold, {ROUNDS} rounds\n")
    runs = [crossed(data, everything, seed) for seed in range(ROUNDS)]
    told = [figures(data.bad, run) for run in runs]
    print("| model | " + " | ".join(told[0]) + " |\n|---|" + "---:|" * len(told[0]))
    bias, mean, _ = prior()
    print(row("prior alone", [figures(data.bad, scores(np.concatenate([[bias], mean]), data.values))]))
    print(row("all groups", told))
    for group, names in GROUPS.items():
        keep = np.array([name not in names for name in NAMES])
        print(row(f"without {group}", [figures(data.bad, crossed(data, keep, seed)) for seed in range(ROUNDS)]))
    if arguments.errors:
        mean_score = np.mean(runs, axis=0)
        for i in np.argsort(mean_score):
            if data.bad[i] != (mean_score[i] >= SUSPICIOUS) or (not data.bad[i] and mean_score[i] > 0.3):
                found = {n: round(float(v), 2) for n, v in zip(NAMES, data.values[i], strict=True) if v}
                print(f"{mean_score[i]:.2f} {data.names[i]} {found}")
    if arguments.weights:
        w = fit(data.values, data.bad, everything)
        for name, weight, before, of_bad, of_good in sorted(
            zip(NAMES, w[1:], mean, data.values[data.bad].mean(0), data.values[~data.bad].mean(0), strict=True),
            key=lambda r: -abs(r[1] - r[2]),
        ):
            print(f"{name:26} {before:5.1f} -> {weight:5.2f}  lures {of_bad:.3f}  wanted {of_good:.3f}")
    if arguments.write:
        w = fit(data.values, data.bad, everything)
        WEIGHTS.write_text(json.dumps({
            "bias": round(float(w[0]), 3), "unsent": _prior()["unsent"], "suspicious": SUSPICIOUS, "phishing": PHISHING,
            "weights": {name: round(float(x), 3) for name, x in zip(NAMES, w[1:], strict=True)},
        }, indent=1) + "\n")
        print(f"\nwritten: {WEIGHTS.name}")


if __name__ == "__main__":
    main()
