"""Training of the autoencoders: all weights at once, or rounds over the sources with averages of what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed, Sources
from halfseen.methods.autoencoder.network import Layers, Layout, embed, outputs, start_layers
from halfseen.nets import (
    AdamWSteps,
    Columns,
    QuasiNewton,
    Several,
    as_arrays,
    as_weights,
    average,
    columns_of,
    load_torch,
    seed_of,
    snapshot,
)
from halfseen.solvers.loop import Run, SweepResult, loop
from halfseen.solvers.stops import HeldOut

SHARED = ("shared", "decoder")
SMALL = 0.1
# Tables with the name of their own encoder, None where there is only the shared one.
Tables = Sequence[tuple[str | None, Observed]]
Groups = Sequence[tuple[str | None, Columns]]


@dataclass(frozen=True)
class TrainingPlan:
    """Everything a training needs but the data and the seed.

    Attributes
    ----------
    layout : Layout
    settings : SimpleNamespace
        Parameters of the estimator, without open ends (:func:`resolved`).
    device : torch device
    watch : FitWatch or None
        Is told of every sweep.
    """

    layout: Layout
    settings: SimpleNamespace
    device: Any
    watch: Any = None

    @property
    def dtype(self) -> Any:
        """Of weights and values."""
        return getattr(load_torch("a network"), self.settings.precision)

    def rate_part(self, done: int) -> float:
        """The part of the learning rate after so many rounds: 1, then falling to 0 over the last ``cooldown``."""
        left = 1.0 - done / (self.settings.max_iter * self.settings.steps)
        return max(0.0, min(1.0, left / self.settings.cooldown)) if self.settings.cooldown else 1.0

    def columns(self, table: Observed, which: Any = None) -> Columns:
        """The columns of a table, or some of them, on the device."""
        group = table.by_cols if which is None else table.by_cols.take_major(which)
        return columns_of(group, self.dtype, self.device)


@dataclass(frozen=True)
class TrainedWeights:
    """Weights by name, and how they were trained."""

    weights: dict[str, FloatArray]
    run: Run


class Noise:
    """What is silent in a step of AdamW; nothing where both shares are 0."""

    def __init__(self, settings: SimpleNamespace, device: Any, rng: np.random.Generator) -> None:
        torch = load_torch("a network")
        self.settings, self._rand = settings, torch.rand
        self._generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def _kept(self, like: Any, share: float) -> Any:
        if not share:
            return like
        draws = self._rand(like.shape, generator=self._generator, device=like.device, dtype=like.dtype)
        return like * (draws >= share) / (1.0 - share)

    def entries(self, values: Any) -> Any:
        """Values of the input, without those that the input lacks."""
        return self._kept(values, self.settings.drop_entries)

    def units(self, middle: Any) -> Any:
        """Hidden units, without the silent ones."""
        return self._kept(middle, self.settings.drop_units)


def value_of(
    weights: dict[str, Any],
    plan: TrainingPlan,
    groups: Groups,
    totals: dict[str | None, int],
    noise: Noise | None = None,
) -> Any:
    r"""Half the sum of squared errors at the seen entries of some columns, and their share of the penalty.

    .. math:: \tfrac12\sum_i\|P_{\Omega_i}(M_{(i)} - \mathrm{Net}_V(\ldots))\|^2 + \mathcal R

    The share is that of the entries: of all (``totals[None]``) for what is shared, of its source for an encoder of its
    own. Batches of a source, and the sources, sum to the value of everything.
    """
    layers, total, counts = Layers(weights, plan.layout), 0.0, dict.fromkeys((None, *totals), 0)
    for own, columns in groups:
        given = columns.values if noise is None else noise.entries(columns.values)
        parts = embed(layers, own, columns, given, None if noise is None else noise.units)
        error = outputs(layers, parts, columns) - columns.values
        squared = error * error if columns.heft is None else columns.heft * error * error
        total = total + 0.5 * squared.sum()
        for key in {None, own}:
            counts[key] += len(columns.values)
    shares = {key or "": counts[key] / (totals[key] or 1) for key in totals}
    shares |= dict.fromkeys(SHARED, shares[""])
    return total + layers.penalty(plan.settings.penalties, plan.settings.sparsity, shares)


def entries_of(tables: Tables) -> dict[str | None, int]:
    """Number of entries by encoder; None for all."""
    counts: dict[str | None, int] = {own: table.n_entries for own, table in tables}
    return counts | {None: sum(table.n_entries for _, table in tables)}


def start(plan: TrainingPlan, own: Sequence[str | None], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Random weights of the shared encoder, the decoder and every source's own encoder."""
    generator, layout = seed_of(rng), plan.layout
    weights = start_layers([*layout.encoder("shared"), *layout.decoder], layout, generator)
    for name in own:
        if name is not None:
            weights |= start_layers(layout.encoder(name), layout, generator)
            # sigmoids begin at one half whatever the weights; other ends begin near 0, at the shared network
            weights[f"{name}.2.weight"] *= 1.0 if layout.unique_end == "sigmoid" else SMALL
    return weights


@dataclass
class AveragingRounds:
    r"""Sweep: every client takes steps of AdamW on its own copy, then the copies are averaged.

    .. math:: U_g \leftarrow \tfrac1N\sum_i U_{(i),g}, \qquad V \leftarrow \tfrac1N\sum_i V_{(i)}

    Algorithm 2 where every source is a client; plain AdamW where one client holds all sources. Each client's AdamW
    keeps its state from round to round. Its rate is the square root of N times the one that was asked for: a step of
    AdamW is as long in every weight whatever the gradient's size, and of N steps whose signs have little to do with
    each other the average is shorter by that factor.
    """

    plan: TrainingPlan
    clients: list[Tables]
    copies: list[Any]
    noise: Noise | None
    rng: np.random.Generator
    _steps: list[AdamWSteps] = field(init=False, repr=False)
    _batches: list[Iterator[Groups]] = field(init=False, repr=False)
    _totals: dict[str | None, int] = field(init=False, repr=False)
    _done: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        settings = self.plan.settings
        root = float(np.sqrt(len(self.clients)))
        rate, decay = root * settings.learning_rate, settings.weight_decay / root
        self._steps = [AdamWSteps(copy, rate, decay) for copy in self.copies]
        self._batches = [self._groups(tables) for tables in self.clients]
        self._totals = entries_of([table for tables in self.clients for table in tables])

    def __call__(self, _: Any) -> SweepResult:
        total, count = 0.0, self.plan.settings.local_steps
        part, self._done = self.plan.rate_part(self._done), self._done + 1
        for steps, batches in zip(self._steps, self._batches, strict=True):
            groups = (next(batches) for _ in range(count))
            fixed: dict[str, Any] = {"plan": self.plan, "totals": self._totals, "noise": self.noise}
            values = (partial(value_of, groups=group, **fixed) for group in groups)
            total += steps(values, part) / count
        average(self.copies, shared_names(self.copies[0]))
        return SweepResult(merged(self.copies), total, work=float(count))

    def _groups(self, tables: Tables) -> Iterator[Groups]:
        """Batches of every source's columns."""
        streams = [(own, self._columns(table)) for own, table in tables]
        while True:  # not an iteration: a stream that the sweeps draw from
            yield [(own, next(stream)) for own, stream in streams]

    def _columns(self, table: Observed) -> Iterator[Columns]:
        """Batches of columns without end: all of them, or shuffled anew once all were seen."""
        length = table.shape[1]
        size = self.plan.settings.batch or length
        whole = self.plan.columns(table) if size >= length else None
        while True:  # not an iteration: a stream that the sweeps draw from
            if whole is not None:
                yield whole
            else:
                order = self.rng.permutation(length)
                yield from (self.plan.columns(table, order[at : at + size]) for at in range(0, length, size))


def shared_names(weights: dict[str, Any]) -> list[str]:
    """Names of the weights that all sources share."""
    return [name for name in weights if name.split(".")[0] in SHARED]


def copies_of(weights: dict[str, Any], clients: Sequence[Tables]) -> list[dict[str, Any]]:
    """For every client a copy of what is shared, and the encoders of its sources."""
    shared, copies = shared_names(weights), []
    for tables in clients:
        own = {name for name, _ in tables}
        copy = {name: weights[name].detach().clone().requires_grad_() for name in shared}
        copies.append(copy | {name: weight for name, weight in weights.items() if name.split(".")[0] in own})
    return copies


def merged(copies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One set of weights from averaged copies."""
    weights: dict[str, Any] = {}
    for copy in copies:
        weights |= copy
    return snapshot(weights)


def train(tables: Tables, plan: TrainingPlan, share: float, rng: np.random.Generator) -> TrainedWeights:
    """Train one network; where a share is held out, as long as it helps there, then once more on everything."""
    seed = int(rng.integers(2**62))
    parts = held_out(tables, share, rng)
    if parts is None:
        return _train(tables, plan, plan.settings.max_iter, seed)
    seen, hidden = parts
    both = zip(seen, hidden, strict=True)
    scored = [(own, plan.columns(table), plan.columns(judged)) for (own, table), judged in both]
    scores: list[float] = []

    def score(weights: dict[str, Any]) -> float:
        scores.append(squared_error(weights, plan, scored))
        return scores[-1]

    stop = HeldOut(score, plan.settings.patience)
    first = _train(seen, plan, plan.settings.max_iter, seed, stop)
    if not plan.settings.is_refitted or stop.best_params is None:
        best = first.weights if stop.best_params is None else as_arrays(stop.best_params)
        return TrainedWeights(best, first.run)
    again = _train(tables, plan, int(np.argmin(scores)) + 1, seed)
    return replace(again, run=replace(again.run, reason=first.run.reason, converged=first.run.converged))


def held_out(tables: Tables, share: float, rng: np.random.Generator) -> tuple[Tables, list[Observed]] | None:
    """Tables without a share of their entries, and these; None where nothing is or can be held out."""
    if not share:
        return None
    named = {str(place): table for place, (_, table) in enumerate(tables)}
    try:
        seen, hidden = Sources(named).split(share, random_state=rng)
    except ValueError:
        return None
    none = np.zeros(0, dtype=np.int64)
    judged = [hidden[key] if key in hidden else seen[key].select(none) for key in named]
    return [(own, seen[str(place)]) for place, (own, _) in enumerate(tables)], judged


def squared_error(
    weights: dict[str, Any], plan: TrainingPlan, scored: Sequence[tuple[str | None, Columns, Columns]]
) -> float:
    """Mean squared error at entries that the input lacks."""
    torch, total, count = load_torch("a network"), 0.0, 0
    with torch.no_grad():
        layers = Layers(weights, plan.layout)
        for own, given, judged in scored:
            error = outputs(layers, embed(layers, own, given, given.values), judged) - judged.values
            total, count = total + float((error * error).sum()), count + len(judged.values)
    return total / count


def _train(
    tables: Tables, plan: TrainingPlan, max_iter: int, seed: int, stop: Callable[..., Any] | None = None
) -> TrainedWeights:
    rng = np.random.default_rng(seed)
    weights = as_weights(start(plan, [own for own, _ in tables], rng), plan.device, plan.dtype)
    if plan.settings.pretrain:
        alone = {name: weights[name] for name in shared_names(weights)}
        before = _loop([(None, table) for _, table in tables], plan, alone, plan.settings.pretrain, rng)
        with load_torch("a network").no_grad():
            for name, weight in before.params.items():
                weights[name].copy_(weight)
    run = _loop(tables, plan, weights, max_iter, rng, stop)
    return TrainedWeights(as_arrays(run.params), run.record())


def _loop(
    tables: Tables,
    plan: TrainingPlan,
    weights: dict[str, Any],
    max_iter: int,
    rng: np.random.Generator,
    stop: Callable[..., Any] | None = None,
) -> Run:
    watch, sweep = plan.watch, _sweep(tables, plan, weights, rng)
    stops = [ask for ask in (stop, watch and watch.stop) if ask is not None]
    return loop(sweep, snapshot(weights), stops, max_iter=max_iter, watchers=[watch] if watch is not None else [])


def _sweep(tables: Tables, plan: TrainingPlan, weights: dict[str, Any], rng: np.random.Generator) -> Any:
    settings = plan.settings
    if settings.solver == "lbfgs":
        groups = [(own, plan.columns(table)) for own, table in tables]
        value = partial(value_of, plan=plan, groups=groups, totals=entries_of(tables))
        return QuasiNewton(value, weights, settings.steps, settings.history)
    clients: list[Tables] = [[table] for table in tables] if settings.solver == "rounds" else [tables]
    noise = Noise(settings, plan.device, rng) if settings.drop_entries or settings.drop_units else None
    return Several(AveragingRounds(plan, clients, copies_of(weights, clients), noise, rng), plan.settings.steps)


def embedding_arrays(
    weights: dict[str, FloatArray], plan: TrainingPlan, own: str | None, table: Observed
) -> tuple[FloatArray, FloatArray | None]:
    """Shared and unique embeddings of a table's columns as arrays."""
    columns = plan.columns(table)
    with load_torch("a network").no_grad():
        layers = Layers(as_weights(weights, plan.device, plan.dtype), plan.layout)
        shared, unique = embed(layers, own, columns, columns.values)
    return shared.cpu().numpy(), None if unique is None else unique.cpu().numpy()


def decoder_arrays(weights: dict[str, FloatArray], plan: TrainingPlan) -> tuple[FloatArray, FloatArray]:
    """Effective weights (n, r) and offsets (n,) of the decoder."""
    ((last, *_),) = plan.layout.decoder
    with load_torch("a network").no_grad():
        layers = Layers(as_weights(weights, plan.device, plan.dtype), plan.layout)
        return layers.matrix(last).T.cpu().numpy(), layers.offset(last).cpu().numpy()
