"""What ``fit bayes`` and ``fit soft-impute`` mean, and how intervals are judged."""

from __future__ import annotations

from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.completion_options import BayesOptions, NuclearOptions
from halfseen.cli.fit import Method, parse_clip
from halfseen.cli.scores import places
from halfseen.losses import get_loss
from halfseen.metrics import coverage, mean_width

LEVEL = 0.95


def bayes(switches: BayesOptions | None = None) -> Method:
    """Bayesian factorisation; what is not given is the library's default."""
    chosen = switches or BayesOptions()
    given = {name: getattr(chosen, name) for name in ("max_iter", "burn_in", "memory")}
    given = {name: value for name, value in given.items() if value is not None} | {"clip": parse_clip(chosen.clip)}
    family = str(chosen.family)

    def make(rank: int, penalty: str, seed: int) -> Any:
        return hs.BayesianFactorization(rank, family, **given, random_state=seed)

    judge = judge_intervals if family == "gaussian" else None  # no interval holds a yes or a no
    return Method("bayes", "Bayesian factorisation", get_loss(family), make, judge_intervals=judge)


def soft_impute(switches: NuclearOptions | None = None) -> Method:
    """Soft-impute; what is not given is the library's default."""
    chosen = switches or NuclearOptions()
    given: dict[str, Any] = {"penalty": chosen.penalty, "bias_penalty": chosen.bias_penalty}
    given = {name: value for name, value in given.items() if value is not None}
    if not chosen.biases:
        if "bias_penalty" in given:
            raise ValueError("--bias-penalty is of no use with --no-biases; leave one of them out")
        given["bias_penalty"] = None
    given["debias"] = {"auto": "auto", "yes": True, "no": False}[str(chosen.debias)]
    given["clip"] = parse_clip(chosen.clip)

    def make(rank: int, penalty: str, seed: int) -> Any:
        return hs.SoftImpute(rank=rank, **given, random_state=seed)

    return Method("soft-impute", "soft-impute", get_loss("gaussian"), make)


def judge_intervals(model: Any, hidden: Any) -> dict[str, float]:
    """Share of the hidden values inside their predictive intervals, and the intervals' mean width."""
    found = model.inference(LEVEL).responses(*places(hidden), weights=hidden.weights)
    return {
        "level": LEVEL,
        "coverage": float(coverage(found.low, found.high, hidden.values)),
        "mean_width": float(mean_width(found.low, found.high)),
    }


def interval_ends(model: Any, labels: tuple[Any, Any], level: float) -> dict[str, np.ndarray]:
    """Ends of predictive intervals of single values; of yes/no answers, of their probabilities."""
    if not 0 < level < 1:
        raise ValueError(f"--level {level:g} must lie between 0 and 1, such as 0.95")
    if not isinstance(model, hs.BayesianFactorization):
        raise ValueError(
            f"--level: a saved {type(model).__name__} gives no intervals; fit one that does: halfseen fit bayes"
        )
    intervals = model.inference(level)
    found = intervals.responses(*labels) if model.family == "gaussian" else intervals.entries(*labels)
    return {"low": np.asarray(found.low, dtype=float), "high": np.asarray(found.high, dtype=float)}
