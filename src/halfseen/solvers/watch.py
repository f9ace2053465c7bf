"""Watchers that pass the loop's sweeps on to scikit-learn's fit callbacks (progress bars, scoring monitors)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Self

from halfseen.data import Observed
from halfseen.solvers import own_callbacks
from halfseen.solvers.loop import SweepResult

# scikit-learn's callback module loads rich; it is imported only where callbacks were set.
Learned = Callable[[Any], dict[str, Any]]


class FitWatch:
    """One callback task per sweep; as a stop it ends the loop when a callback asks for it."""

    def __init__(self, estimator: Any, context: Any, observed: Observed, fitted: Learned) -> None:
        self._estimator, self._context, self._observed, self._fitted = estimator, context, observed, fitted
        self._asked, self._left = False, getattr(context, "max_subtasks", None)

    def __call__(self, iteration: int, result: SweepResult, seconds: float) -> None:
        if self._left is not None:
            if not self._left:  # a fit of several parts may take more sweeps than its largest number for one
                return
            self._left -= 1
        told = {"X": self._observed, "y": self._observed.values}
        task = self._context.subcontext(task_name="sweep")
        task.sweep = (iteration, result)  # beside scikit-learn's protocol: the objective, for live plots
        task.call_on_fit_task_begin(estimator=self._estimator, **told)
        self._asked = task.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=lambda: self._fitted(result.params), **told
        )

    def stop(self, iteration: int, result: SweepResult) -> str | None:
        return "callback" if self._asked else None


class CallbackSupport:
    """Mixin: scikit-learn's ``set_callbacks`` for estimators that run :func:`halfseen.solvers.loop.loop`.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.methods.comparisons import BiasModel
    >>> class Count:
    ...     sweeps = 0
    ...     def setup(self, estimator, context): pass
    ...     def teardown(self, estimator, context): pass
    ...     def on_fit_task_begin(self, estimator, context): pass
    ...     def on_fit_task_end(self, estimator, context): self.sweeps += context.task_name == "sweep"
    >>> count = Count()
    >>> model = BiasModel().set_callbacks(count).fit(np.array([[1.0, 2.0], [3.0, np.nan]]))
    >>> count.sweeps == model.n_iter_
    True
    """

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set the callbacks of the next fits (scikit-learn's ``FitCallback`` protocol); none given removes them.

        Before version 1.9 scikit-learn has no callbacks; the hooks of an object with that protocol are called all
        the same, but not by meta-estimators around this one.
        """
        support = _scikit_learn()
        if support is None:
            own_callbacks.set_callbacks(self, callbacks)
            return self
        return support.CallbackSupportMixin.set_callbacks(self, *callbacks)

    @contextmanager
    def _watched(self, observed: Observed, max_sweeps: int, fitted: Learned) -> Iterator[FitWatch | None]:
        """Set the callbacks up and tear them down around a fit; ``fitted(params)`` gives the learned attributes."""
        if not hasattr(self, "_skl_callbacks") and not hasattr(self, "_parent_callback_ctx"):
            yield None
            return
        with _task(self, max_sweeps) as root:
            told = {"estimator": self, "X": observed, "y": observed.values}
            root.call_on_fit_task_begin(**told)
            yield FitWatch(self, root, observed, fitted)
            root.call_on_fit_task_end(**told, reconstruction_attributes=lambda: {})


def _scikit_learn() -> Any:
    """The module ``sklearn.callback._callback_support``, or None where scikit-learn is older than 1.9."""
    try:
        return import_module("sklearn.callback._callback_support")
    except ModuleNotFoundError:
        return None


@contextmanager
def _task(estimator: Any, max_sweeps: int) -> Iterator[Any]:
    support = _scikit_learn()
    if support is None:
        with own_callbacks.callback_task(estimator, max_sweeps) as root:
            yield root
        return
    with support.callback_management_context(estimator):
        yield support.CallbackSupportMixin._init_callback_context(estimator, max_subtasks=max_sweeps)
