"""Autoencoders of half-seen columns: one for all sources, or one that shares and has parts of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.data import Observed, Sources, as_observed, check_support
from halfseen.data.arguments import bounds
from halfseen.linalg.pairs import pair_products
from halfseen.losses import get_loss
from halfseen.many import SourcesModel, dtype_of
from halfseen.methods.autoencoder.options import COMMON, OWN, USUAL_SIZE, resolved
from halfseen.nets import find_device, load_torch, threads_of
from halfseen.parameters import Table
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:
    from halfseen.methods.autoencoder.fitting import TrainingPlan
    from halfseen.methods.autoencoder.network import Layout


class Autoencoder(CallbackSupport, SourcesModel):
    """What both autoencoders do; they differ in whether sources have encoders of their own."""

    _summary: ClassVar[str] = "halfseen.methods.autoencoder.summary:chapter"

    device: str
    embeddings_: dict[str, FloatArray]
    decoder_: FloatArray
    row_offsets_: FloatArray
    weights_: dict[str, FloatArray]

    @resumable
    def fit(self, S: Any, y: None = None) -> Self:
        """Train on the seen entries of all sources.

        Parameters
        ----------
        S : Sources, mapping from name to table, sequence of tables, or one table
            Tables: `Observed`, NaN arrays, data frames, scipy.sparse (stored entries are the seen ones), mixed.
            Entries may have weights.
        y : None

        Returns
        -------
        estimator
            Itself.
        """
        load_torch(type(self).__name__)
        settings = resolved(self._checked())
        rng, device, sources = (
            as_generator(settings.random_state),
            find_device(settings.device),
            self._observe_sources(S),
        )
        self.loss_ = get_loss("gaussian")
        for table in sources.values():
            check_support(table, self.loss_)
        values = np.concatenate([table.values for table in sources.values()]).astype(float)
        self.scale_ = float(np.sqrt(np.mean(values**2))) / USUAL_SIZE or 1.0
        self.bounds_ = bounds(settings.clip, values)
        self._train(sources, settings, device, rng)
        return self

    def embed(self, table: Any, source: str | None = None) -> FloatArray:
        """Embeddings of new columns, shape (m, width x n_starts).

        Parameters
        ----------
        table : Observed, NaN array, data frame or scipy.sparse (n, m)
            The rows of the fit, in order.
        source : str, optional
            The source they belong to; None where there is one only.
        """
        return self._new(table, source)[0]

    def predict_columns(self, table: Any, source: str | None = None) -> FloatArray:
        """Predict all entries of new columns, shape (n, m); parameters as in :meth:`embed`."""
        embedding, dtype = self._new(table, source)
        return self._bounded((self.decoder_ @ embedding.T + self.row_offsets_[:, None]).astype(dtype))

    # ---- inside ------------------------------------------------------------------------------------------------

    def _encoder(self, place: int) -> str | None:
        """The name of the encoder that the source at this place has for itself."""
        raise NotImplementedError

    def _layout(self, settings: SimpleNamespace) -> Layout:
        from halfseen.methods.autoencoder.network import Layout

        names = ("hidden", "unique_hidden", "folds", "kernel", "gamma", "dimension", "unique_end")
        return Layout(self.n_rows_, int(settings.width), **{name: getattr(settings, name) for name in names})

    def _plan(self, settings: SimpleNamespace, device: Any, watch: Any = None) -> TrainingPlan:
        from halfseen.methods.autoencoder.fitting import TrainingPlan

        return TrainingPlan(self._layout(settings), settings, device, watch)

    def _scaled(self, table: Observed) -> Observed:
        return table.with_values(table.values / table.dtype.type(self.scale_))

    def _train(self, sources: Sources, settings: SimpleNamespace, device: Any, rng: np.random.Generator) -> None:
        from halfseen.methods.autoencoder.fitting import train

        tables = [(self._encoder(place), self._scaled(table)) for place, table in enumerate(sources.values())]
        dtype, runs = dtype_of(sources), []
        sweeps = 2 * settings.n_starts * (settings.max_iter + settings.pretrain)
        with (
            threads_of(settings.threads),
            self._watched(sources.pooled(), sweeps, lambda params: {}) as watch,
        ):
            plan = self._plan(settings, device, watch)
            nets = [train(tables, plan, settings.held_out, each) for each in rng.spawn(settings.n_starts)]
            runs = [net.run for net in nets]
            self.weights_ = {f"{k}/{name}": w for k, net in enumerate(nets) for name, w in net.weights.items()}
            self._keep(sources.names, tables, plan, dtype)
        self.run_, self.n_iter_ = runs[0], runs[0].n_iter

    def _keep(
        self, names: list[str], tables: list[tuple[str | None, Observed]], plan: TrainingPlan, dtype: np.dtype
    ) -> None:
        """Set embeddings and decoder: what predictions are made of, without torch."""
        from halfseen.methods.autoencoder.fitting import decoder_arrays

        parts = [self._embeddings(own, table, plan, dtype) for own, table in tables]
        self._keep_parts(names, parts)
        starts = [decoder_arrays(self._weights(k), plan) for k in range(plan.settings.n_starts)]
        scale = self.scale_ / len(starts)
        self.decoder_ = (scale * np.hstack([matrix for matrix, _ in starts])).astype(dtype)
        self.row_offsets_ = (scale * np.sum([offset for _, offset in starts], axis=0)).astype(dtype)

    def _keep_parts(self, names: list[str], parts: list[tuple[FloatArray, FloatArray | None]]) -> None:
        self.embeddings_ = {name: shared for name, (shared, _) in zip(names, parts, strict=True)}

    def _embeddings(
        self, own: str | None, table: Observed, plan: TrainingPlan, dtype: np.dtype
    ) -> tuple[FloatArray, FloatArray | None]:
        """Shared and unique embeddings of a table's columns, of all starts side by side."""
        from halfseen.methods.autoencoder.fitting import embedding_arrays

        both = [embedding_arrays(self._weights(k), plan, own, table) for k in range(plan.settings.n_starts)]
        shared = np.hstack([part for part, _ in both]).astype(dtype)
        unique = [part for _, part in both if part is not None]
        return shared, np.hstack(unique).astype(dtype) if unique else None

    def _weights(self, start: int) -> dict[str, FloatArray]:
        prefix = f"{start}/"
        return {key.removeprefix(prefix): w for key, w in self.weights_.items() if key.startswith(prefix)}

    def _new(self, table: Any, source: str | None) -> tuple[FloatArray, np.dtype]:
        check_is_fitted(self)
        name = self._source(self.source_names_[0] if source is None and len(self.source_names_) == 1 else source)
        observed = as_observed(table, name="table")
        if observed.shape[0] != self.n_rows_:
            raise ValueError(
                f"table has {observed.shape[0]} rows, the fit {self.n_rows_}: new columns have the rows of the fit"
            )
        settings = resolved(SimpleNamespace(**self.get_params(deep=False)))
        plan = self._plan(settings, find_device(self.device))
        own = self._encoder(self.source_names_.index(name))
        with threads_of(settings.threads):
            shared, unique = self._embeddings(own, self._scaled(observed), plan, observed.dtype)
        return shared if unique is None else shared + unique, observed.dtype

    def _at(self, name: str, rows: IntArray, cols: IntArray) -> FloatArray:
        return pair_products(self.decoder_, self.embeddings_[name], rows, cols) + self.row_offsets_[rows]

    def _linear(self, name: str) -> FloatArray:
        return self.decoder_ @ self.embeddings_[name].T + self.row_offsets_[:, None]

    def _bounded(self, linear: FloatArray) -> FloatArray:
        return linear if self.bounds_ is None else np.clip(linear, *self.bounds_)

    def _n_columns(self, name: str) -> int:
        return len(self.embeddings_[name])


class SparseAutoencoder(Autoencoder):
    r"""One autoencoder with sparse kernel layers for the columns of all sources.

    .. math:: \min \tfrac12\sum_{\mathrm{seen}} \bigl(m_{ij} - \mathrm{Net}_V(\mathrm{Net}_U(m_j))_i\bigr)^2
              + \sum_l \tfrac\lambda2\|W_l\|_F^2 + \tfrac{\lambda_s}2\|K_l\|_F^2,
              \qquad x \mapsto \sigma\bigl((W_l \circ K_l)^\top x + b_l\bigr)

    A column (an item, say) goes in with zeros where nothing was seen, through two sigmoid layers to its embedding, and
    out by one linear layer; :math:`K_l` compares a place of every unit in with one of every unit out. Rows seldom seen
    together get no weight.

    Parameters
    ----------
    width : int, default=200
        Length of an embedding.
    penalty : float, default=10.0
        :math:`\lambda`, for values of the size of ratings (others are brought to it): more for more entries.
    solver : {"adamw", "rounds", "lbfgs"}, default="adamw"
        AdamW, whose steps may take batches of columns and whose input lacks entries at random; the same at every
        source, then averages of what is shared; or quasi-Newton steps on everything.
    held_out : float, default=0.1
        Share of the entries on which training is judged after every sweep, to end it early; 0 runs all sweeps.
    max_iter : int, default=80
        Sweeps at most.
    learning_rate : float, default=4e-3
        Of AdamW. "rounds": of the average; each of N sources steps with :math:`\sqrt N` times it.
    n_starts : int, default=1
        Average the predictions of that many networks (their embeddings are kept side by side).
    device : str, default="auto"
        "cpu", "cuda" ("cuda:1", ...), or CUDA where there is any (the same code; no such device was at hand to test).
    random_state : int, Generator or None
        Start weights, the entries held out, batches and what is dropped.
    hidden : int
        Units between input and embedding.
    kernel : {"hat", "gaussian", "none"}
        :math:`\max(0, 1-\|u-v\|^2)`, :math:`e^{-\gamma\|u-v\|^2}`, or plain layers.
    gamma : float
        :math:`\gamma`.
    dimension : int
        Of the places :math:`u, v`.
    sparsity : float
        :math:`\lambda_s` in :math:`\frac{\lambda_s}2\|K\|_F^2`, which pushes places apart.
    steps : int or None
        Steps (of "rounds": rounds) per sweep; None is 10, of "lbfgs" 5.
    history : int
        Of "lbfgs": steps remembered.
    weight_decay : float
        Of AdamW: decoupled weight decay (beside the penalties).
    cooldown : float
        Of AdamW: the last part of ``max_iter`` sweeps in which the learning rate falls to 0.
    batch : int or None
        Of AdamW: columns of a source per step; None takes all.
    local_steps : int
        Of "rounds": steps of every source between two averages of the shared weights.
    drop_entries : float or None
        Of AdamW: share of the seen entries that the input lacks in each step (all are asked for in the output); None
        is one half, of "lbfgs" 0.
    drop_units : float
        Of AdamW: share of the hidden units that are silent in each step.
    patience : int
        Sweeps without a better score on the entries held out after which training ends.
    is_refitted : bool
        Train once more on all entries, for the number of sweeps that was best.
    clip : None, "range" or (low, high)
        Keep mean predictions inside the range of the training values, or inside given bounds.
    precision : {"float32", "float64"}
        Arithmetic of the training.
    threads : int or None
        Threads of torch on the processor; None leaves them as they are set. One thread gives the same bits always.

    Attributes
    ----------
    embeddings_ : dict from source name to ndarray (p_i, width x n_starts)
        One line per column, ready for t-SNE.
    decoder_ : ndarray (n, width x n_starts)
        Effective weights of the last layer: a prediction is ``decoder_ @ embedding + row_offsets_``.
    row_offsets_ : ndarray (n,)
    weights_ : dict from name to ndarray
        All layers, by start.
    scale_ : float
        What the values were divided by.
    bounds_ : (float, float) or None
    source_names_ : list of str
    run_ : Run
        Reason, sweeps and trace of the (first) training on everything.
    n_iter_ : int

    Raises
    ------
    ImportError
        Without torch: ``pip install 'halfseen[torch]'``.
    ValueError
        For a device that is not there and parameters that do not go together.

    Notes
    -----
    O(entries width + p hidden width) per value; memory O((n + p) (hidden + width) + entries), never n x p.
    Predictions and saved models need no torch. Source: Muller, Martel and Indiveri (2018); the paper's equation (10).
    The parameters from ``hidden`` on are rarely needed.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 30, 25, 1, 1, observed=0.6, random_state=0)
    >>> model = hs.SparseAutoencoder(10, penalty=0.1, solver="lbfgs", hidden=20, max_iter=5, random_state=0)
    >>> model = model.fit(data.sources)
    >>> model.embeddings_["source 0"].shape, model.predict_table("source 0").shape
    ((25, 10), (30, 25))
    """

    _parameters: ClassVar[Table] = COMMON

    def __init__(
        self,
        width: int = 200,
        *,
        penalty: float = 10.0,
        solver: str = "adamw",
        held_out: float = 0.1,
        max_iter: int = 80,
        learning_rate: float = 4e-3,
        n_starts: int = 1,
        device: str = "auto",
        random_state: Any = None,
        hidden: int = 200,
        kernel: str = "hat",
        gamma: float = 1.0,
        dimension: int = 5,
        sparsity: float = 0.006,
        steps: int | None = None,
        history: int = 10,
        weight_decay: float = 0.0,
        cooldown: float = 0.0,
        batch: int | None = None,
        local_steps: int = 1,
        drop_entries: float | None = None,
        drop_units: float = 0.0,
        patience: int = 4,
        is_refitted: bool = True,
        clip: str | tuple[float, float] | None = None,
        precision: str = "float32",
        threads: int | None = 1,
    ) -> None:
        self.width = width
        self.penalty = penalty
        self.solver = solver
        self.held_out = held_out
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.n_starts = n_starts
        self.device = device
        self.random_state = random_state
        self.hidden = hidden
        self.kernel = kernel
        self.gamma = gamma
        self.dimension = dimension
        self.sparsity = sparsity
        self.steps = steps
        self.history = history
        self.weight_decay = weight_decay
        self.cooldown = cooldown
        self.batch = batch
        self.local_steps = local_steps
        self.drop_entries = drop_entries
        self.drop_units = drop_units
        self.patience = patience
        self.is_refitted = is_refitted
        self.clip = clip
        self.precision = precision
        self.threads = threads

    def _encoder(self, place: int) -> None:
        return None


class HeterogeneousAutoencoder(Autoencoder):
    r"""An autoencoder with an encoder that all sources share and one of each source's own.

    .. math:: \min \sum_i \tfrac12\bigl\|P_{\Omega_i}(M_{(i)} - \mathrm{Net}_V(e_{(i)g} + e_{(i)l}))\bigr\|_F^2
              + \mathcal R, \qquad F(e_{(i)g})^\top F(e_{(i)l}) = 0

    with :math:`e_{(i)g} = \mathrm{Net}_{U_g}(M_{(i)})` and :math:`e_{(i)l}` what
    :math:`\mathrm{Net}_{U_{(i)}}(M_{(i)})` has outside the span of the folds :math:`F(e_{(i)g})`.
    Layers are those of `SparseAutoencoder`.

    Parameters
    ----------
    width : int, default=200
        Length of an embedding, the r of Algorithm 2, which is ``solver="rounds"``.
    penalty : float, default=10.0
        :math:`\lambda` of the shared encoder and of the decoder.
    unique_penalty : float, default=1000.0
        :math:`\lambda` of the encoders of single sources.
    solver, held_out, max_iter, learning_rate, n_starts, device, random_state
        As in `SparseAutoencoder`.
    hidden, kernel, gamma, dimension, sparsity, steps, history, weight_decay, cooldown, batch, local_steps
        As in `SparseAutoencoder`; ``hidden`` of the shared encoder.
    drop_entries, drop_units, patience, is_refitted, clip, precision, threads
        As in `SparseAutoencoder`.
    unique_hidden : int, default=50
        Units between input and embedding of each source's own encoder.
    unique_end : {"sigmoid", "tanh", "linear"}, default="tanh"
        Last activation of unique encoders. The paper gives all encoders one architecture ("sigmoid"); the others begin
        next to 0, so that training begins at the shared network.
    folds : int or None
        k, into how many vectors an embedding is folded where the unique one is made orthogonal to the shared one;
        0 leaves it as it is, None takes as many (at most 5) as the width allows.
    pretrain : int, default=0
        Sweeps without the unique parts, before the others.

    Attributes
    ----------
    shared_embeddings_, unique_embeddings_ : dict from source name to ndarray (p_i, width x n_starts)
    embeddings_ : dict from source name to ndarray (p_i, width x n_starts)
        Their sums.
    decoder_, row_offsets_, weights_, scale_, bounds_, source_names_, run_, n_iter_
        As in `SparseAutoencoder`.

    Raises
    ------
    ImportError, ValueError
        As in `SparseAutoencoder`.

    Notes
    -----
    Costs as `SparseAutoencoder`, and O(p (unique_hidden width + folds width)) for the unique parts. Source: the
    paper's equation (5) and Algorithm 2 (appendix A); the Gram matrices of folds get a penalty of 1e-6 of their mean
    diagonal, since sigmoids are nearly collinear at the start.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 30, 25, 1, 1, observed=0.6, random_state=0)
    >>> sizes = {"hidden": 20, "unique_hidden": 10, "folds": 2, "max_iter": 5}
    >>> model = hs.HeterogeneousAutoencoder(
    ...     10, penalty=0.1, unique_penalty=0.1, solver="lbfgs", random_state=0, **sizes
    ... ).fit(data.sources)
    >>> model.predict_entries("source 1", [0, 1], [3, 4]).shape
    (2,)
    """

    _parameters: ClassVar[Table] = COMMON | OWN

    def __init__(
        self,
        width: int = 200,
        *,
        penalty: float = 10.0,
        unique_penalty: float = 1000.0,
        solver: str = "adamw",
        held_out: float = 0.1,
        max_iter: int = 80,
        learning_rate: float = 4e-3,
        n_starts: int = 1,
        device: str = "auto",
        random_state: Any = None,
        hidden: int = 200,
        unique_hidden: int = 50,
        unique_end: str = "tanh",
        folds: int | None = None,
        pretrain: int = 0,
        kernel: str = "hat",
        gamma: float = 1.0,
        dimension: int = 5,
        sparsity: float = 0.006,
        steps: int | None = None,
        history: int = 10,
        weight_decay: float = 0.0,
        cooldown: float = 0.0,
        batch: int | None = None,
        local_steps: int = 1,
        drop_entries: float | None = None,
        drop_units: float = 0.0,
        patience: int = 4,
        is_refitted: bool = True,
        clip: str | tuple[float, float] | None = None,
        precision: str = "float32",
        threads: int | None = 1,
    ) -> None:
        self.width = width
        self.penalty = penalty
        self.unique_penalty = unique_penalty
        self.solver = solver
        self.held_out = held_out
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.n_starts = n_starts
        self.device = device
        self.random_state = random_state
        self.hidden = hidden
        self.unique_hidden = unique_hidden
        self.unique_end = unique_end
        self.folds = folds
        self.pretrain = pretrain
        self.kernel = kernel
        self.gamma = gamma
        self.dimension = dimension
        self.sparsity = sparsity
        self.steps = steps
        self.history = history
        self.weight_decay = weight_decay
        self.cooldown = cooldown
        self.batch = batch
        self.local_steps = local_steps
        self.drop_entries = drop_entries
        self.drop_units = drop_units
        self.patience = patience
        self.is_refitted = is_refitted
        self.clip = clip
        self.precision = precision
        self.threads = threads

    def _encoder(self, place: int) -> str:
        return f"unique/{place}"

    def _keep_parts(self, names: list[str], parts: list[tuple[FloatArray, FloatArray | None]]) -> None:
        self.shared_embeddings_ = {name: shared for name, (shared, _) in zip(names, parts, strict=True)}
        self.unique_embeddings_ = {
            name: unique for name, (_, unique) in zip(names, parts, strict=True) if unique is not None
        }
        self.embeddings_ = {name: self.shared_embeddings_[name] + self.unique_embeddings_[name] for name in names}
