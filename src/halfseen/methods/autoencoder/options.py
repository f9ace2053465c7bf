"""What the parameters of autoencoders may be, which go together, and what stands for those left open."""

from __future__ import annotations

from types import SimpleNamespace

from halfseen.parameters import (
    CLIP,
    RANDOM_STATE,
    BadArgument,
    Flag,
    Kind,
    Nothing,
    Number,
    Suits,
    Whole,
    Word,
)

# Steps (of "rounds": rounds) per sweep; training is judged after every sweep.
STEPS = {"adamw": 10, "rounds": 10, "lbfgs": 5}
# Into so many vectors an embedding is folded at most, where its width allows it.
FOLDS = 5
# What ratings of 1 to 5 have as their root mean square: penalties and sizes of start weights were tuned there.
USUAL_SIZE = 3.7

_SHARE = Number(0, 1, below=True)
# What every autoencoder has, and what those with encoders for single sources have beside it.
COMMON: dict[str, Kind] = {
    "width": Whole(1),
    "penalty": Number(0),
    "solver": Word(*STEPS),
    "held_out": _SHARE,
    "max_iter": Whole(1),
    "learning_rate": Number(0),
    "n_starts": Whole(1),
    "device": Suits(lambda value: isinstance(value, str), "'auto', 'cpu', 'cuda' or another device", str),
    "random_state": RANDOM_STATE,
    "hidden": Whole(1),
    "kernel": Word("hat", "gaussian", "none"),
    "gamma": Number(0),
    "dimension": Whole(1),
    "sparsity": Number(0),
    "steps": Nothing() | Whole(1),
    "history": Whole(1),
    "weight_decay": Number(0),
    "cooldown": Number(0, 1),
    "batch": Nothing() | Whole(1),
    "local_steps": Whole(1),
    "drop_entries": Nothing() | _SHARE,
    "drop_units": _SHARE,
    "patience": Whole(1),
    "is_refitted": Flag(),
    "clip": CLIP,
    "precision": Word("float32", "float64"),
    "threads": Nothing() | Whole(1),
}
OWN: dict[str, Kind] = {
    "unique_penalty": Number(0),
    "unique_hidden": Whole(1),
    "unique_end": Word("sigmoid", "tanh", "linear"),
    "folds": Nothing() | Whole(0),
    "pretrain": Whole(0),
}


def resolved(settings: SimpleNamespace) -> SimpleNamespace:
    """The settings without open ends, with ``penalties`` by the part of the network.

    Raises
    ------
    BadArgument
        For parameters that do not go together.

    Examples
    --------
    >>> import halfseen as hs
    >>> resolved(hs.HeterogeneousAutoencoder(500)._checked()).folds
    5
    >>> resolved(hs.HeterogeneousAutoencoder(7, solver="lbfgs")._checked()).drop_entries
    0.0
    """
    alone = {"unique_penalty": settings.penalty, "unique_hidden": 1, "unique_end": "tanh", "folds": 0, "pretrain": 0}
    full = SimpleNamespace(**alone | vars(settings))
    if full.solver == "lbfgs":
        for name in ("drop_entries", "drop_units"):
            if getattr(full, name):
                way_out = "It needs AdamW: L-BFGS cannot search along a value that changes."
                raise BadArgument(name, getattr(full, name), "0 with solver='lbfgs'", way_out)
    if full.drop_entries is None:
        full.drop_entries = 0.0 if full.solver == "lbfgs" else 0.5
    if full.folds is None:
        full.folds = max((k for k in range(1, FOLDS + 1) if _fit(k, full.width)), default=0)
    elif full.folds and not _fit(full.folds, full.width):
        raise BadArgument(
            "folds", full.folds, f"None, 0, or a number that divides width={full.width} and whose square and itself "
            "are together no more, or nothing is left beside the shared embedding",
        )  # fmt: skip
    full.steps = full.steps or STEPS[full.solver]
    full.penalties = {name: float(full.penalty) for name in ("shared", "decoder")}
    full.penalties["unique"] = float(full.unique_penalty)
    return full


def _fit(folds: int, width: int) -> bool:
    return not width % folds and folds * (folds + 1) <= width
