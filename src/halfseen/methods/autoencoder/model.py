"""Autoencoders of half-seen columns: one for all sources, or one that shares and has parts of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.data import Observed, Sources, as_observed, check_support
from halfseen.data.arguments import at_least, bounds, share
from halfseen.linalg.pairs import pair_products
from halfseen.losses import get_loss
from halfseen.many import SourcesModel, dtype_of
from halfseen.methods.autoencoder.options import (
    USUAL_SIZE,
    AutoencoderOptions,
    checked_options,
)
from halfseen.nets import find_device, load_torch, threads_of
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:
    from halfseen.methods.autoencoder.fitting import Plan
    from halfseen.methods.autoencoder.network import Layout


class Autoencoder(CallbackSupport, SourcesModel):
    """What both autoencoders do; they differ in whether sources have encoders of their own."""

    width: int
    ridge: float
    solver: str
    validation: float
    device: str
    options: AutoencoderOptions | None
    random_state: Any
    embeddings_: dict[str, FloatArray]
    decoder_: FloatArray
    row_offsets_: FloatArray
    weights_: dict[str, FloatArray]

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
        ridges, rng = self._ridges(), as_generator(self.random_state)
        options = checked_options(self.options, self.solver, self.width)
        part = share("validation", self.validation)
        device, sources = find_device(self.device), self._observe_sources(S)
        self.loss_ = get_loss("gaussian")
        for table in sources.values():
            check_support(table, self.loss_)
        values = np.concatenate([table.values for table in sources.values()]).astype(float)
        self.scale_ = float(np.sqrt(np.mean(values**2))) / USUAL_SIZE or 1.0
        self.bounds_ = bounds(options.clip, values)
        self._train(sources, (options, ridges, device), part, rng)
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

    def complete(self, table: Any, source: str | None = None) -> FloatArray:
        """Predict all entries of new columns, shape (n, m); parameters as in :meth:`embed`."""
        embedding, dtype = self._new(table, source)
        return self._bounded((self.decoder_ @ embedding.T + self.row_offsets_[:, None]).astype(dtype))

    # ---- inside ------------------------------------------------------------------------------------------------

    def _ridges(self) -> dict[str, float]:
        at_least("ridge", self.ridge, 0)
        return dict.fromkeys(("shared", "decoder", "unique"), float(self.ridge))

    def _encoder(self, place: int) -> str | None:
        """The name of the encoder that the source at this place has for itself."""
        raise NotImplementedError

    def _layout(self, options: AutoencoderOptions) -> Layout:
        from halfseen.methods.autoencoder.network import Layout

        names = ("hidden", "unique_hidden", "folds", "kernel", "gamma", "dimension", "unique_end")
        return Layout(self.n_rows_, int(self.width), **{name: getattr(options, name) for name in names})

    def _plan(self, options: AutoencoderOptions, ridges: dict[str, float], device: Any, watch: Any = None) -> Plan:
        from halfseen.methods.autoencoder.fitting import Plan

        return Plan(self._layout(options), ridges, options, self.solver, device, watch)

    def _scaled(self, table: Observed) -> Observed:
        return table.with_values(table.values / table.dtype.type(self.scale_))

    def _train(self, sources: Sources, how: tuple[Any, Any, Any], part: float, rng: np.random.Generator) -> None:
        from halfseen.methods.autoencoder.fitting import train

        options = how[0]
        tables = [(self._encoder(place), self._scaled(table)) for place, table in enumerate(sources.values())]
        dtype, runs = dtype_of(sources), []
        sweeps = 2 * options.n_starts * (options.max_iter + options.pretrain)
        with (
            threads_of(options.threads),
            self._watched(sources.pooled(), sweeps, lambda params: {}) as watch,
        ):
            plan = self._plan(*how, watch)
            nets = [train(tables, plan, part, each) for each in rng.spawn(options.n_starts)]
            runs = [net.run for net in nets]
            self.weights_ = {f"{k}/{name}": w for k, net in enumerate(nets) for name, w in net.weights.items()}
            self._keep(sources.names, tables, plan, dtype)
        self.run_, self.n_iter_ = runs[0], runs[0].n_iter

    def _keep(self, names: list[str], tables: list[tuple[str | None, Observed]], plan: Plan, dtype: np.dtype) -> None:
        """Set embeddings and decoder: what predictions are made of, without torch."""
        from halfseen.methods.autoencoder.fitting import decoder_arrays

        parts = [self._embeddings(own, table, plan, dtype) for own, table in tables]
        self._keep_parts(names, parts)
        starts = [decoder_arrays(self._weights(k), plan) for k in range(plan.options.n_starts)]
        scale = self.scale_ / len(starts)
        self.decoder_ = (scale * np.hstack([matrix for matrix, _ in starts])).astype(dtype)
        self.row_offsets_ = (scale * np.sum([offset for _, offset in starts], axis=0)).astype(dtype)

    def _keep_parts(self, names: list[str], parts: list[tuple[FloatArray, FloatArray | None]]) -> None:
        self.embeddings_ = {name: shared for name, (shared, _) in zip(names, parts, strict=True)}

    def _embeddings(
        self, own: str | None, table: Observed, plan: Plan, dtype: np.dtype
    ) -> tuple[FloatArray, FloatArray | None]:
        """Shared and unique embeddings of a table's columns, of all starts side by side."""
        from halfseen.methods.autoencoder.fitting import embedding_arrays

        found = [embedding_arrays(self._weights(k), plan, own, table) for k in range(plan.options.n_starts)]
        shared = np.hstack([one for one, _ in found]).astype(dtype)
        unique = [one for _, one in found if one is not None]
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
        options = checked_options(self.options, self.solver, self.width)
        plan = self._plan(options, self._ridges(), find_device(self.device))
        own = self._encoder(self.source_names_.index(name))
        with threads_of(options.threads):
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
    ridge : float, default=10.0
        :math:`\lambda`, for values of the size of ratings (others are brought to it): more for more entries.
    solver : {"adamw", "rounds", "lbfgs"}, default="adamw"
        AdamW, whose steps may take batches of columns and whose input lacks entries at random; the same at every
        source, then averages of what is shared; or quasi-Newton steps on everything.
    validation : float, default=0.1
        Share of the entries on which training is judged after every sweep, to end it early; 0 runs all sweeps.
    device : str, default="auto"
        "cpu", "cuda" ("cuda:1", ...), or CUDA where there is any (the same code; no such device was at hand to test).
    options : AutoencoderOptions, optional
        Units, kernel, folds, steps, averaging period, dropping, batches and more.
    random_state : int, Generator or None
        Start weights, the validation part, batches and what is dropped.

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
        For a device that is not there and options that do not fit.

    Notes
    -----
    O(entries width + p hidden width) per value; memory O((n + p) (hidden + width) + entries), never n x p.
    Predictions and saved models need no torch. Source: Muller, Martel and Indiveri (2018); the paper's equation (10).

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 30, 25, 1, 1, observed=0.6, random_state=0)
    >>> options = hs.AutoencoderOptions(hidden=20, folds=2, max_iter=5)
    >>> model = hs.SparseAutoencoder(10, 0.1, "lbfgs", options=options, random_state=0).fit(data.sources)
    >>> model.embeddings_["source 0"].shape, model.predict_table("source 0").shape
    ((25, 10), (30, 25))
    """

    def __init__(
        self,
        width: int = 200,
        ridge: float = 10.0,
        solver: str = "adamw",
        validation: float = 0.1,
        device: str = "auto",
        options: AutoencoderOptions | None = None,
        random_state: Any = None,
    ) -> None:
        self.width = width
        self.ridge = ridge
        self.solver = solver
        self.validation = validation
        self.device = device
        self.options = options
        self.random_state = random_state

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
    width, solver, validation, device, options, random_state
        As in `SparseAutoencoder`; the width is the r of Algorithm 2, which is "rounds".
    ridge : float, default=10.0
        :math:`\lambda` of the shared encoder and of the decoder.
    unique_ridge : float, default=1000.0
        :math:`\lambda` of the encoders of single sources.

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
    paper's equation (5) and Algorithm 2 (appendix A); the Gram matrices of folds get a ridge of 1e-6 of their mean
    diagonal, since sigmoids are nearly collinear at the start.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 30, 25, 1, 1, observed=0.6, random_state=0)
    >>> options = hs.AutoencoderOptions(hidden=20, unique_hidden=10, folds=2, max_iter=5)
    >>> model = hs.HeterogeneousAutoencoder(10, 0.1, 0.1, "lbfgs", options=options, random_state=0).fit(data.sources)
    >>> model.predict_entries("source 1", [0, 1], [3, 4]).shape
    (2,)
    """

    def __init__(
        self,
        width: int = 200,
        ridge: float = 10.0,
        unique_ridge: float = 1000.0,
        solver: str = "adamw",
        validation: float = 0.1,
        device: str = "auto",
        options: AutoencoderOptions | None = None,
        random_state: Any = None,
    ) -> None:
        self.width = width
        self.ridge = ridge
        self.unique_ridge = unique_ridge
        self.solver = solver
        self.validation = validation
        self.device = device
        self.options = options
        self.random_state = random_state

    def _encoder(self, place: int) -> str:
        return f"unique/{place}"

    def _ridges(self) -> dict[str, float]:
        at_least("unique_ridge", self.unique_ridge, 0)
        return super()._ridges() | {"unique": float(self.unique_ridge)}

    def _keep_parts(self, names: list[str], parts: list[tuple[FloatArray, FloatArray | None]]) -> None:
        self.shared_embeddings_ = {name: shared for name, (shared, _) in zip(names, parts, strict=True)}
        self.unique_embeddings_ = {
            name: unique for name, (_, unique) in zip(names, parts, strict=True) if unique is not None
        }
        self.embeddings_ = {name: self.shared_embeddings_[name] + self.unique_embeddings_[name] for name in names}
