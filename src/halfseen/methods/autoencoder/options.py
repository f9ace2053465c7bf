"""Switches of the autoencoders, beside what every user sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from halfseen.data.arguments import at_least, one_of, share
from halfseen.data.storable import storable

# Steps (of "rounds": rounds) per sweep; training is judged after every sweep.
STEPS = {"adamw": 10, "rounds": 10, "lbfgs": 5}
SOLVERS = tuple(STEPS)
WORDS = {"kernel": ("hat", "gaussian", "none"), "unique_end": ("sigmoid", "tanh", "linear"),
         "precision": ("single", "double")}  # fmt: skip
WHOLE = {"hidden": 1, "unique_hidden": 1, "dimension": 1, "folds": 0, "max_iter": 1, "history": 1,
         "local_steps": 1, "pretrain": 0, "patience": 1, "n_starts": 1}  # fmt: skip
# What ratings of 1 to 5 have as their root mean square: ridges and sizes of start weights were tuned there.
USUAL_SIZE = 3.7


@storable
@dataclass(frozen=True)
class AutoencoderOptions:
    r"""The network of `SparseAutoencoder` and `HeterogeneousAutoencoder`, and how it is trained.

    Attributes
    ----------
    hidden, unique_hidden : int
        Units between input and embedding: of the shared encoder, and of each source's own.
    kernel : {"hat", "gaussian", "none"}
        :math:`\max(0, 1-\|u-v\|^2)`, :math:`e^{-\gamma\|u-v\|^2}`, or plain layers.
    gamma : float
        :math:`\gamma`.
    dimension : int
        Of the places :math:`u, v`.
    sparsity : float
        :math:`\lambda_s` in :math:`\frac{\lambda_s}2\|K\|_F^2`, which pushes places apart.
    folds : int
        k, into how many vectors an embedding is folded where the unique one is made orthogonal to the shared one;
        0 leaves it as it is.
    unique_end : {"sigmoid", "tanh", "linear"}
        Last activation of unique encoders. The paper gives all encoders one architecture ("sigmoid"); the others begin
        next to 0, so that training begins at the shared network.
    max_iter : int
        Largest number of sweeps.
    steps : int or None
        Steps (of "rounds": rounds) per sweep; None is 10, of "lbfgs" 5.
    history : int
        Of "lbfgs": steps remembered.
    rate, decay : float
        Of AdamW: learning rate, decoupled weight decay (beside the ridges).
    cooldown : float
        Of AdamW: the last part of ``max_iter`` sweeps in which the learning rate falls to 0.
    batch : int or None
        Of AdamW: columns of a source per step; None takes all.
    local_steps : int
        Of "rounds": steps of every source between two averages of the shared weights.
    pretrain : int
        Sweeps without the unique parts, before the others.
    drop_entries : float or None
        Of AdamW: share of the seen entries that the input lacks in each step (all are asked for in the output); None
        is one half, of "lbfgs" 0.
    drop_units : float
        Of AdamW: share of the hidden units that are silent in each step.
    patience : int
        Sweeps without a better score on the validation part after which training ends.
    refit : bool
        Train once more on all entries, for the number of sweeps that was best.
    n_starts : int
        Average the predictions of that many networks (their embeddings are kept side by side).
    clip : None, "range" or (low, high)
        Keep mean predictions inside the range of the training values, or inside given bounds.
    precision : {"single", "double"}
        Arithmetic of the training.
    threads : int or None
        Threads of torch on the processor; None leaves them as they are set. One thread gives the same bits always.
    """

    hidden: int = 200
    unique_hidden: int = 50
    kernel: str = "hat"
    gamma: float = 1.0
    dimension: int = 5
    sparsity: float = 0.006
    folds: int = 5
    unique_end: str = "tanh"
    max_iter: int = 80
    steps: int | None = None
    history: int = 10
    rate: float = 4e-3
    decay: float = 0.0
    cooldown: float = 0.0
    batch: int | None = None
    local_steps: int = 1
    pretrain: int = 0
    drop_entries: float | None = None
    drop_units: float = 0.0
    patience: int = 4
    refit: bool = True
    n_starts: int = 1
    clip: str | tuple[float, float] | None = None
    precision: str = "single"
    threads: int | None = 1

    def checked(self, solver: str, width: int) -> AutoencoderOptions:
        """Itself without open ends, or an error that names the option."""
        for name, words in WORDS.items():
            one_of(f"options.{name}", getattr(self, name), words)
        for name, low in WHOLE.items():
            at_least(f"options.{name}", getattr(self, name), low, whole=True)
        for name in ("steps", "batch", "threads"):
            if getattr(self, name) is not None:
                at_least(f"options.{name}", getattr(self, name), 1, whole=True)
        for name in ("gamma", "sparsity", "rate", "decay", "cooldown"):
            at_least(f"options.{name}", getattr(self, name), 0)
        for name in ("drop_units",) if self.drop_entries is None else ("drop_entries", "drop_units"):
            share(f"options.{name}", getattr(self, name))
            if getattr(self, name) and solver == "lbfgs":
                raise ValueError(f"options.{name} needs AdamW: L-BFGS cannot search along a value that changes.")
        if self.folds and (width % self.folds or self.folds * (self.folds + 1) > width):
            raise ValueError(
                f"options.folds={self.folds} does not fit width={width}: the width must be a multiple of the folds, "
                f"and at least folds x (folds + 1) = {self.folds * (self.folds + 1)}, or nothing is left beside the "
                "shared embedding."
            )
        return replace(self, drop_entries=0.0 if solver == "lbfgs" else 0.5) if self.drop_entries is None else self


def checked_options(options: Any, solver: str, width: int) -> AutoencoderOptions:
    """The options of a fit, checked; None is the defaults, with as many folds (at most 5) as the width allows.

    Examples
    --------
    >>> checked_options(None, "lbfgs", 500).folds, checked_options(None, "lbfgs", 7).folds
    (5, 1)
    """
    one_of("solver", solver, SOLVERS)
    at_least("width", width, 1, whole=True)
    if options is None:
        folds = max((k for k in range(1, 6) if not width % k and k * (k + 1) <= width), default=0)
        return AutoencoderOptions(folds=folds).checked(solver, width)
    if not isinstance(options, AutoencoderOptions):
        raise TypeError(
            f"options must be an AutoencoderOptions or None, got {type(options).__name__}; "
            "write options=AutoencoderOptions(max_iter=40)."
        )
    return options.checked(solver, width)
