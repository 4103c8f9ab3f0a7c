"""Does stopping at a cosine error make differences out of noise? python benchmarks/until.py

Pair divergences without any difference, in 127 dimensions whose variance falls as 1/k or 1/k²:
prompts are added from 10 on, five at a time, to 100, until the estimated cosine error reaches the
goal, and V_div is then tested. Counted: runs that ended early, and those of them called detected.
Then with a true difference: the true cosine error where the goal of 0.03 was reached.
"""

from __future__ import annotations

import json

import numpy as np

from finexl.core.divergence import Paired, cosine_error
from finexl.core.significance import detect
from finexl.sources import FIRST, STEP

RUNS, MOST, D = 500, 100, 127


def ended(rows: np.ndarray, goal: float) -> int | None:
    """Return after how many prompts the goal was reached, if before the last."""
    counts = range(FIRST, MOST, STEP)
    return next((n for n in counts if cosine_error(Paired(rows[:n])) <= goal), None)


def main() -> None:
    found = []
    for power in (1.0, 2.0):
        spread = np.arange(1, D + 1) ** (-power / 2)
        for goal in (0.03, 0.05, 0.1, 0.2):
            early = called = 0
            for run in range(RUNS):
                rng = np.random.default_rng([int(power), int(1000 * goal), run])
                rows = spread * rng.normal(size=(MOST, D))
                n = ended(rows, goal)
                if n is not None:
                    early += 1
                    called += detect(Paired(rows[:n]), rng).detected
            found.append({"spectrum": f"k^-{power:g}", "goal": goal, "early": early, "of": RUNS,
                          "called detected": called})  # fmt: skip
        errors = []
        for run in range(RUNS):
            rng = np.random.default_rng([99, int(power), run])
            V = np.zeros(D)
            V[3] = 1.5 * float(np.linalg.norm(spread)) / 2
            rows = V + spread * rng.normal(size=(MOST, D))
            n = ended(rows, 0.03)
            if n is not None:
                mean = rows[:n].mean(axis=0)
                errors.append(
                    1.0 - float(mean @ V) / float(np.linalg.norm(mean) * np.linalg.norm(V))
                )
        found.append({"spectrum": f"k^-{power:g}", "with a difference, goal 0.03": len(errors),
                      "mean true error": round(float(np.mean(errors)), 4),
                      "90 % quantile": round(float(np.quantile(errors, 0.9)), 4)})  # fmt: skip
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
