"""Inductive completion with towers of any depth: two torch modules under the same losses and solvers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data.features import SCALES, FeatureCode, SideFeatures, as_side_features
from halfseen.data.storable import storable
from halfseen.engines import EntryPasses
from halfseen.methods.inductive.activations import get_activation
from halfseen.methods.inductive.fitting import run_starts_of
from halfseen.methods.inductive.maps import FeatureMap
from halfseen.methods.inductive.model import InductiveCompletion
from halfseen.methods.inductive.options import ONE_CLASS
from halfseen.methods.inductive.problem import Design, InductiveProblem
from halfseen.methods.inductive.units import settled_units
from halfseen.nets import find_device, load_torch, seed_of
from halfseen.parameters import FAMILY, RANDOM_STATE, Each, Nothing, Number, Suits, Table, Whole, Word
from halfseen.solvers.checkpoint import resumable

Array = NDArray[Any]
Tower = Callable[[int, int], Any]


def _is_pair_of_makers(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(callable, value))


class TowerProblem:
    r"""Value and gradient of the losses of an inductive problem for :math:`\langle\mathcal U(x), \mathcal V(y)\rangle`.

    The gradient with respect to the towers' outputs comes from the library's own pass over the entries; torch carries
    it back through the towers. All weights are one flat vector, so that every solver of the library can move them.

    Parameters
    ----------
    core : InductiveProblem
        Passes, loss and beta; its own features are not used.
    towers : (Module, Module)
    features : (Tensor, Tensor)
    penalty : float
        On all weights.
    """

    def __init__(
        self, core: InductiveProblem, towers: tuple[Any, Any], features: tuple[Any, Any], penalty: float
    ) -> None:
        self.core, self.towers, self.features, self.penalty = core, towers, features, penalty
        self.passes, self.design, self.dtype = core.passes, core.design, core.dtype
        self._at = core.unpack(np.zeros(core.size, dtype=core.dtype))
        self.weights = [weight for tower in towers for weight in tower.parameters()]

    def theta(self) -> Array:
        """The towers' weights as one vector."""
        parts = [weight.detach().cpu().numpy().ravel() for weight in self.weights]
        return np.concatenate(parts).astype(self.dtype)

    def put(self, theta: Array) -> None:
        """Set the towers' weights."""
        torch, start = load_torch("TwoTowerCompletion"), 0
        with torch.no_grad():
            for weight in self.weights:
                part = theta[start : start + weight.numel()].reshape(tuple(weight.shape))
                weight.copy_(torch.from_numpy(np.ascontiguousarray(part)))
                start += weight.numel()

    def value(self, theta: Array) -> float:
        return self.value_and_gradient(theta)[0]

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        torch = load_torch("TwoTowerCompletion")
        self.put(theta)
        outputs = [tower(side) for tower, side in zip(self.towers, self.features, strict=True)]
        A, B = (np.ascontiguousarray(out.detach().cpu().numpy().astype(self.dtype)) for out in outputs)
        value, (gA, gB, _, _) = self.core.of_factors(self._at, A, B)
        pulls = [
            torch.from_numpy(np.ascontiguousarray(part / self.core.total)).to(out.device, out.dtype)
            for part, out in zip((gA, gB), outputs, strict=True)
        ]
        gradients = torch.autograd.grad(outputs, self.weights, pulls, allow_unused=True)
        parts = [
            (torch.zeros_like(w) if part is None else part).detach().cpu().numpy().ravel()
            for w, part in zip(self.weights, gradients, strict=True)
        ]
        gradient = np.concatenate(parts).astype(self.dtype) + self.dtype.type(self.penalty) * theta
        return value + 0.5 * self.penalty * float(np.sum(theta * theta, dtype=float)), gradient


@storable
class TwoTowerCompletion(InductiveCompletion):
    r"""Completion by :math:`m_{ij} = \langle\mathcal U(x_i), \mathcal V(y_j)\rangle`, two networks (the torch extra).

    The general form of inductive completion, equation (1) of the paper: any two modules that take features and give k
    numbers, under the same losses, the one-class objective included. Predictions, candidates and features are those of
    `InductiveCompletion`.

    Parameters
    ----------
    rank : int or "auto"
        Outputs k of each tower; "auto" as in `InductiveCompletion`.
    hidden : tuple of int
        Widths of the hidden relu layers of the towers that are made here.
    family : str or Loss
        As in `InductiveCompletion`.
    penalty : float
        On all weights, beside the mean loss of an entry.
    towers : (callable, callable), optional
        ``tower(d, k)`` returns a ``torch.nn.Module`` from d features to k numbers, without randomness in its forward
        pass (no dropout). Models with towers of your own cannot be stored.
    n_starts, max_iter, tol
        As in `InductiveCompletion`.
    random_state : int, Generator or None
    device : str
        "auto", "cpu", "cuda".
    solver : {"lbfgs", "gd"}
    step, beta, scale
        As in `InductiveCompletion`.

    Attributes
    ----------
    row_arrays_, col_arrays_ : list of ndarray
        Weights of the towers.
    row_factors_, col_factors_ : ndarray (n, k), (p, k)
        Outputs for the seen rows and columns.
    certificate_, run_, loss_ :
        As in `InductiveCompletion`.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> from halfseen.methods.inductive.towers import TwoTowerCompletion
    >>> rng = np.random.default_rng(0)
    >>> F, G = rng.uniform(-1, 1, (120, 2)), rng.uniform(-1, 1, (80, 2))
    >>> truth = np.cos(3 * (F[:, :1] - G[:, 0])) + F[:, 1:] * G[:, 1]
    >>> table = np.where(rng.random(truth.shape) < 0.4, truth, np.nan)
    >>> deep = TwoTowerCompletion(6, hidden=(24,), penalty=1e-6, random_state=0)
    >>> deep = deep.fit(table[:100], row_features=F[:100], col_features=G)
    >>> error = deep.predict_table(F[100:]) - truth[100:]
    >>> bool(np.sqrt(np.mean(error**2)) < 0.2 * truth.std())
    True
    """

    # the towers say all: nothing is added to what they give, and nothing is applied to it
    activation, has_intercept, effects, free_rank, is_strict = "linear", False, "none", 0, True
    activation_ = "linear"
    effects_ = "none"
    _parameters: ClassVar[Table] = {
        "rank": Whole(1) | Word("auto"),
        "hidden": Each(Whole(1)) | Suits(lambda value: value == (), "() for linear towers", tried=((),)),
        "family": FAMILY,
        "penalty": Number(0),
        "towers": Nothing() | Suits(_is_pair_of_makers, "a pair of functions of (d, k) that return torch modules"),
        "n_starts": Whole(1),
        "max_iter": Whole(1),
        "tol": Number(0),
        "random_state": RANDOM_STATE,
        "device": Suits(lambda value: isinstance(value, str), "'auto', 'cpu', 'cuda' or another device", str),
        "solver": Word("lbfgs", "gd"),
        "step": Word("auto") | Number(0, above=True),
        "beta": Number(0, 1),
        "scale": Word(*SCALES),
    }

    def __init__(
        self,
        rank: int | str = 10,
        hidden: tuple[int, ...] = (64,),
        *,
        family: Any = "gaussian",
        penalty: float = 1e-5,
        towers: tuple[Tower, Tower] | None = None,
        n_starts: int = 1,
        max_iter: int = 300,
        tol: float = 1e-6,
        random_state: RandomState = None,
        device: str = "auto",
        solver: str = "lbfgs",
        step: str | float = "auto",
        beta: float = 0.1,
        scale: str = "none",
    ) -> None:
        self.rank = rank
        self.hidden = hidden
        self.family = family
        self.penalty = penalty
        self.towers = towers
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.device = device
        self.solver = solver
        self.step = step
        self.beta = beta
        self.scale = scale

    @resumable
    def fit(self, R: Any, y: None = None, *, row_features: Any = None, col_features: Any = None) -> Self:
        """Fit to the seen entries of a table; a side without features gets one-hot ones."""
        settings = self._checked()
        observed = self._observe(R, reset=True)
        self.loss_ = self._loss(observed)
        rng, features = (
            as_generator(settings.random_state),
            {"row_features": row_features, "col_features": col_features},
        )
        self.rank_, self.rank_search_ = settled_units(self, observed, features, rng)
        core, sides = self._core(observed, row_features, col_features)
        problems = [self._start(sides, core, own) for own in rng.spawn(settings.n_starts)]
        with self._watched(observed, settings.max_iter, lambda theta: {}) as watch:
            starts = ((problem, problem.theta()) for problem in problems)
            run, self.certificate_ = run_starts_of(starts, settings, watch)
        best = problems[self.certificate_.best]
        best.put(run.params)
        self._keep(best)
        self._report(run)
        return self

    def inference(self, *args: Any, **more: Any) -> Any:
        """Refused: weights of towers are not determined by the data."""
        raise ValueError("towers have no intervals: many weights give the same predictions; use InductiveCompletion")

    def _core(self, observed: Any, F: Any, G: Any) -> tuple[InductiveProblem, list[Any]]:
        """Losses of the entries, and features as tensors."""
        torch, sides = load_torch("TwoTowerCompletion"), []
        device = find_device(self.device)
        for axis, (given, labels) in enumerate(((F, observed.row_labels), (G, observed.col_labels))):
            name, n = ("row_features", "col_features")[axis], observed.shape[axis]
            code, matrix = None, np.eye(n)
            if given is not None:
                side = as_side_features(given, name).aligned(n, labels, name)
                side.refuse_missing(name)
                code = FeatureCode.learn(side, self.scale)
                matrix = dense(code.encode(side, name))
            setattr(self, ("row_code_", "col_code_")[axis], code)
            sides.append(torch.from_numpy(matrix.astype(observed.dtype)).to(device))
        one_class = self.family == ONE_CLASS
        design = Design(self.rank_, get_activation("linear"), beta=float(self.beta) if one_class else None)
        maps = [FeatureMap(None, n, False, observed.dtype) for n in observed.shape]
        return InductiveProblem(EntryPasses(observed, self.loss_), maps[0], maps[1], design), sides

    def _start(self, sides: list[Any], core: InductiveProblem, rng: np.random.Generator) -> TowerProblem:
        """Fresh towers, their weights drawn from ``rng`` whatever torch's own seed is."""
        towers = []
        for side, make in zip(sides, self.towers or (self._mlp, self._mlp), strict=True):
            with seeded(rng):
                towers.append(make(int(side.shape[1]), self.rank_).to(side.device, side.dtype))
        return TowerProblem(core, (towers[0], towers[1]), (sides[0], sides[1]), float(self.penalty))

    def _mlp(self, d: int, k: int) -> Any:
        nn, widths = load_torch("TwoTowerCompletion").nn, (d, *self.hidden)
        layers: list[Any] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(widths[-1], k))

    def _keep(self, problem: TowerProblem) -> None:
        torch = load_torch("TwoTowerCompletion")
        with torch.no_grad():
            outputs = [tower(side) for tower, side in zip(problem.towers, problem.features, strict=True)]
        self.row_factors_, self.col_factors_ = (np.ascontiguousarray(out.cpu().numpy()) for out in outputs)
        self.row_arrays_, self.col_arrays_ = (
            [weight.detach().cpu().numpy().copy() for weight in tower.parameters()] for tower in problem.towers
        )
        self.feature_counts_ = tuple(int(side.shape[1]) for side in problem.features)
        self.row_effects_, self.col_effects_ = (np.zeros(len(out), out.dtype) for out in self._both())
        self.offset_ = 0.0

    def _both(self) -> tuple[FloatArray, FloatArray]:
        return self.row_factors_, self.col_factors_

    def _activated(self, features: Any, axis: int) -> FloatArray:
        torch, code = load_torch("TwoTowerCompletion"), (self.row_code_, self.col_code_)[axis]
        name = ("row_features", "col_features")[axis]
        if code is None:
            raise ValueError(f"{name}: this model was fitted without them; ask for seen ones by label or position")
        side: SideFeatures = as_side_features(features, name)
        make = (self.towers or (self._mlp, self._mlp))[axis]
        tower, arrays = make(self.feature_counts_[axis], self.rank_), (self.row_arrays_, self.col_arrays_)[axis]
        dtype = self.row_factors_.dtype
        with torch.no_grad():
            tower = tower.to(getattr(torch, dtype.name))
            for weight, array in zip(tower.parameters(), arrays, strict=True):
                weight.copy_(torch.from_numpy(array))
            outputs = tower(torch.from_numpy(dense(code.encode(side, name)).astype(dtype)))
        return np.ascontiguousarray(outputs.numpy())

    def _linear_rows(self, observed: Any) -> FloatArray:
        raise ValueError("rows of this model are placed by their features; give these to predict or predict_table")


def dense(matrix: Any) -> Array:
    """An array of features."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)


@contextmanager
def seeded(rng: np.random.Generator) -> Any:
    """Torch's own generator seeded inside the block, and as it was after it."""
    torch = load_torch("TwoTowerCompletion")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(rng).initial_seed())
        yield
