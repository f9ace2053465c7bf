"""The part of scikit-learn's fit callbacks that one estimator needs, for versions before 1.9, which have none."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HOOKS = ("setup", "teardown", "on_fit_task_begin", "on_fit_task_end")
# What a hook may ask for by a keyword-only parameter, as in scikit-learn.
ASKED = ("X", "y", "metadata", "fitted_estimator")


def set_callbacks(estimator: Any, callbacks: tuple[Any, ...]) -> None:
    """Keep the callbacks of the next fits on the estimator; none given removes them.

    Raises
    ------
    TypeError
        For a class, or an object without the four hooks of scikit-learn's ``FitCallback``.
    """
    for callback in callbacks:
        if isinstance(callback, type) or not all(hasattr(callback, hook) for hook in HOOKS):
            raise TypeError("callbacks must be instances following the FitCallback protocol.")
    if callbacks:
        estimator._skl_callbacks = list(callbacks)
    else:
        estimator.__dict__.pop("_skl_callbacks", None)


class Task:
    """A fit or one sweep of it, as hooks see it: scikit-learn's ``CallbackContext`` without meta-estimators.

    Examples
    --------
    >>> fit = Task("fit", 0, 2, None, [], "BiasModel")
    >>> fit.subcontext("sweep").task_id, fit.subcontext("sweep").task_id
    (0, 1)
    """

    def __init__(
        self,
        task_name: str,
        task_id: int,
        max_subtasks: int | None,
        parent: Task | None,
        callbacks: list[Any],
        estimator_name: str,
    ) -> None:
        self.task_name, self.task_id, self.max_subtasks, self.parent = task_name, task_id, max_subtasks, parent
        self.estimator_name, self._callbacks, self._subtasks = estimator_name, callbacks, 0

    def subcontext(self, task_name: str = "", max_subtasks: int | None = 0) -> Task:
        """The next task inside this one."""
        task = Task(task_name, self._subtasks, max_subtasks, self, self._callbacks, self.estimator_name)
        self._subtasks += 1
        return task

    def call_on_fit_task_begin(self, *, estimator: Any, **told: Any) -> None:
        """Tell every callback that the task begins."""
        self._call("on_fit_task_begin", estimator, told)

    def call_on_fit_task_end(self, *, estimator: Any, **told: Any) -> bool:
        """Tell every callback that the task ends; true when one of them asks to stop."""
        return self._call("on_fit_task_end", estimator, told)

    def _call(self, hook: str, estimator: Any, told: dict[str, Any]) -> bool:
        stop, values = False, {}
        for callback in self._callbacks:
            asked = inspect.signature(getattr(callback, hook)).parameters.values()
            names = [parameter.name for parameter in asked if parameter.kind is parameter.KEYWORD_ONLY]
            for name in names:
                if name not in ASKED:
                    raise TypeError(f"{hook} of {type(callback).__name__} asks for {name!r}; known: {', '.join(ASKED)}")
                if name not in values:
                    values[name] = _fitted(estimator, told) if name == "fitted_estimator" else told.get(name)
            stop |= bool(getattr(callback, hook)(estimator, self, **{name: values[name] for name in names}))
        return stop


def _fitted(estimator: Any, told: dict[str, Any]) -> Any:
    """A copy of the estimator as if the fit had ended with this task."""
    attributes = told.get("reconstruction_attributes")
    if attributes is None:
        return None
    fitted = copy.copy(estimator)
    for name, value in attributes().items():
        setattr(fitted, name, value)
    return fitted


@contextmanager
def callback_task(estimator: Any, max_subtasks: int | None) -> Iterator[Task]:
    """Set the estimator's callbacks up around a fit, and tear down those that were, also when the fit fails."""
    callbacks = list(getattr(estimator, "_skl_callbacks", []))
    task = Task("fit", 0, max_subtasks, None, callbacks, type(estimator).__name__)
    begun: list[Any] = []
    try:
        for callback in callbacks:
            begun.append(callback)
            callback.setup(estimator=estimator, context=task)
        yield task
    finally:
        for callback in begun:
            callback.teardown(estimator=estimator, context=task)
