"""What a page is about: a fitted model, the record of its run, and its data where they are at hand."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from halfseen._typing import IntArray, Labels
from halfseen.data import Observed, Sources, as_observed, as_sources
from halfseen.data.facts import SeenShares
from halfseen.summary.parts import Note


@dataclass
class Subject:
    """A model and what is known about it.

    Parameters
    ----------
    model : fitted estimator
    record : mapping
        Of the run (``run.json``); empty for a model fitted in Python.
    details : mapping
        What a fit on the command line left for the page (``details.json``).
    data : Observed, Sources or None
        The data of the fit.
    level : float
    shares : SeenShares, optional
        Where the table was seen, where a chapter knows better than the data and the details.
    notes : list of Note
        For the top of the page.
    """

    model: Any
    record: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    level: float = 0.95
    shares: SeenShares | None = None
    notes: list[Note] = field(default_factory=list)

    @property
    def observed(self) -> Observed | None:
        """The one table of the fit, where it is at hand."""
        return self.data if isinstance(self.data, Observed) else None

    @cached_property
    def inference(self) -> Any:
        """The model's uncertainty, or None: what is in the way becomes a note."""
        if not hasattr(self.model, "inference"):
            return None
        return self.heard(self._infer)

    def _infer(self) -> Any:
        try:
            return self.model.inference(self.level)
        except ValueError:
            if self.data is None:
                raise
        given = "S" if isinstance(self.data, Sources) else "R"
        return self.model.inference(self.level, **{given: self.data})

    def heard(self, work: Any) -> Any:
        """What ``work`` returns; its warnings become notes, and so does a refusal (then None)."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                answer = work()
            except ValueError as error:
                answer = None
                self.note(f"No intervals: {error}")
        for warning in caught:
            if issubclass(warning.category, UserWarning):
                self.note(str(warning.message))
        return answer

    def note(self, text: str, is_warning: bool = True) -> None:
        """Remember something for the top of the page, once."""
        text = " ".join(text.split())
        if all(text != known.text for known in self.notes):
            self.notes.append(Note(text, is_warning))

    def labels(self, axis: int) -> Labels:
        """Names of rows (0) or columns (1): labels, else positions."""
        labels = getattr(self.model, ("row_labels_", "col_labels_")[axis], None)
        return np.arange(self.model.observed_shape_[axis]) if labels is None else np.asarray(labels)

    def seen(self) -> SeenShares | None:
        """Where the table was seen: counted from the data, as the fit left it, or as the chapter found it."""
        if isinstance(self.data, Observed | Sources):
            return SeenShares.of(self.data if isinstance(self.data, Observed) else self.data.pooled())
        kept = self.details.get("seen")
        return SeenShares.from_dict(kept) if kept else self.shares

    @cached_property
    def counts(self) -> tuple[IntArray, IntArray] | None:
        """Entries seen per row and per column."""
        observed = self.observed
        if observed is None:
            return None
        return observed.by_rows.counts, np.bincount(observed.cols, minlength=observed.shape[1])


def data_of(model: Any, R: Any) -> Observed | Sources | None:
    """The data of the fit: given, or kept by the model; nothing for a private one.

    Raises
    ------
    ValueError
        If they do not have the shape of the fit.
    """
    if getattr(model, "privacy", None) is not None:
        return None
    if hasattr(model, "source_names_"):
        kept: Any = getattr(model, "_seen", None)
        return as_sources(R) if R is not None else kept.sources() if hasattr(kept, "sources") else None
    if R is not None:
        observed = as_observed(R)
        shape = getattr(model, "observed_shape_", observed.shape)
        if observed.shape != tuple(shape):
            raise ValueError(
                f"R is {observed.shape[0]} x {observed.shape[1]}, but the model was fitted to a table of "
                f"{shape[0]} x {shape[1]}; give the table of the fit"
            )
        for name in ("row_labels", "col_labels"):
            mine, given = getattr(model, f"{name}_", None), getattr(observed, name)
            if mine is not None and given is not None and not np.array_equal(mine, given):
                raise ValueError(f"the {name[:3]} labels of R are not those of the fit; give the table of the fit")
        return observed
    kept = getattr(model, "_seen", None)
    entries = kept.entries() if hasattr(kept, "entries") else kept.rows() if hasattr(kept, "rows") else None
    entries = entries[0] if isinstance(entries, tuple) else entries
    return entries if isinstance(entries, Observed) else None
