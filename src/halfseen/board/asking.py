"""Which questions to ask next: those that most lower the variance of a score, or of a difference of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from halfseen._typing import FloatArray, IntArray

# Abilities (in standard deviations of the posterior) at which a question is judged.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass
class Remaining:
    r"""A model's unanswered questions, and the variance of its score over all questions.

    .. math:: s^2 = \sum_k w_k \Bigl[\Bigl(\tfrac1p \sum_{left} P_j'(x_k)\Bigr)^2 \Big/
              \Bigl(v^{-1} + \sum_{asked} I_j(x_k)\Bigr) + \tfrac{\phi}{p^2} \sum_{left} P_j (1 - P_j)(x_k)\Bigr]

    over nodes :math:`x_k` of the ability's posterior. A question tells much where it is about as hard as the model is
    able; twenty that all tell the same abilities apart leave the others as uncertain as before, so the variance is
    averaged over abilities and not the information.

    Attributes
    ----------
    precision : ndarray (k,)
        Of the ability, at each node.
    lean, noise : ndarray (k,)
        Sums over what is left of :math:`P'` and of :math:`\phi P (1 - P)`.
    slope, own, information : ndarray (k, p)
        The same of every question, and its information.
    free : bool ndarray (p,)
        Questions not answered.
    """

    precision: FloatArray
    lean: FloatArray
    noise: FloatArray
    slope: FloatArray
    own: FloatArray
    information: FloatArray
    free: Any

    @classmethod
    def of(cls, bank: Any, ability: tuple[float, float], answered: IntArray) -> Remaining:
        """Of a model with this posterior mean and standard deviation of the ability."""
        mean, sd = ability
        x = np.clip(mean + sd * NODES, bank.knots[0], bank.knots[-1])
        P, slopes = expit(bank.block(x, slice(None))), bank.slopes(x, slice(None))
        w = P * (1.0 - P)
        free = np.ones(P.shape[1], dtype=bool)
        free[answered] = False
        slope, own = w * slopes, bank.dispersion * w
        information = slopes**2 * w / bank.dispersion
        precision = np.full(len(x), 1.0 / sd**2)
        return cls(precision, slope[:, free].sum(axis=1), own[:, free].sum(axis=1), slope, own, information, free)

    @property
    def variance(self) -> float:
        """Of the score now."""
        return float(WEIGHTS @ (self.lean**2 / self.precision + self.noise)) / self.slope.shape[1] ** 2

    def after(self) -> FloatArray:
        """Variances (p,) after each further question; infinite where it was answered."""
        lean, precision = self.lean[:, None] - self.slope, self.precision[:, None] + self.information
        variance = WEIGHTS @ (lean**2 / precision + self.noise[:, None] - self.own)
        return np.where(self.free, variance / self.slope.shape[1] ** 2, np.inf)

    def ask(self, question: int) -> None:
        """Take a question as asked."""
        self.free[question] = False
        self.precision = self.precision + self.information[:, question]
        self.lean = self.lean - self.slope[:, question]
        self.noise = self.noise - self.own[:, question]


def questions_to_ask(models: list[Remaining], n: int) -> tuple[list[int], list[int], list[float]]:
    """The next questions one by one: whom to ask, which, and the standard error of the score (difference) after it."""
    who, which, errors = [], [], []
    for _ in range(n):
        variances = np.array([model.variance for model in models])
        after = np.stack([model.after() - variance for model, variance in zip(models, variances, strict=True)])
        if not np.isfinite(after).any():
            break
        model, question = np.unravel_index(int(after.argmin()), after.shape)
        models[model].ask(int(question))
        who.append(int(model))
        which.append(int(question))
        # rounding may leave less than nothing where all questions are asked
        errors.append(float(np.sqrt(max(sum(asked.variance for asked in models), 0.0))))
    return who, which, errors
