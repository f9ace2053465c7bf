"""From a fitted factor model to its inference: checks, covariances, gauge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from halfseen.inference import TableNames
from halfseen.inference.table import DRAWS, LEVEL
from halfseen.methods.factor.intervals.checks import (
    BAYESIAN,
    CONFIDENCE,
    LARGEST_ROTATION_NOISE,
    about_rows,
    about_thin_columns,
    check_choices,
    check_run,
    passes_of,
)
from halfseen.methods.factor.intervals.covariances import Uncertainty, denoised, rotated, rotation_noise
from halfseen.methods.factor.intervals.gauge import gauge_noise
from halfseen.methods.factor.intervals.inference import FactorInference
from halfseen.methods.factor.intervals.recentre import centre_of
from halfseen.methods.factor.intervals.view import FactorView

NOISY = (
    "a component holds more noise than signal, so the gauge is the plain one of the estimates: factors may be "
    "too long on the shorter side. Use a smaller rank or a penalty."
)


def infer(model: Any, choices: dict[str, Any], R: Any, trials: Any, offset: Any) -> FactorInference:
    """Check that a fitted model may state intervals, find its covariances, and bring both into the gauge.

    Parameters
    ----------
    model : GeneralizedFactorModel
    choices : dict
        ``level``, ``variance``, ``gauge``, ``draws`` and ``random_state``.
    R, trials, offset
        The data of the fit, where the model does not carry them.
    """
    variance, gauge = choices["variance"], choices["gauge"]
    LEVEL.check("level", choices["level"])
    DRAWS.check("draws", choices["draws"])
    check_choices(variance, gauge)
    check_run(model)
    passes = passes_of(model, R, trials, offset)
    centre = centre_of(model, passes, variance)
    fit, uncertainty, passes = centre.fit, centre.in_gauge, centre.passes
    rho, rotation = model.rho, model.rotation
    said = [
        centre.said,
        about_rows(uncertainty, model.row_labels_, model.col_labels_),
        about_thin_columns(passes, fit),
    ]
    share = 0.0
    if gauge == "denoised" and uncertainty.factors.rank:
        uncertainty, share, text = _denoised(uncertainty, rho, rotation, fit.has_prior)
        said.append(text)
    if variance != "plug_in" and uncertainty.factors.rank:
        uncertainty = replace(uncertainty, gauge=gauge_noise(uncertainty, rho, rotation, share))
    view = FactorView(
        uncertainty=uncertainty, passes=passes, names=TableNames.of(model), level=float(choices["level"]),
        claim=BAYESIAN if fit.has_prior else CONFIDENCE, library=model.library_, variance=variance,
        has_prior=fit.has_prior, is_single=model.row_factors_.dtype == np.float32,
        identified=rotation_noise(uncertainty, rotation) <= LARGEST_ROTATION_NOISE[rotation],
        linking=getattr(model, "linking_", None), is_weak=bool(centre.said),
    )  # fmt: skip
    inference = FactorInference(view, choices["draws"], choices["random_state"])
    for text in filter(None, said):
        inference._warn(text)
    return inference


def _denoised(
    uncertainty: Uncertainty, rho: float, rotation: str | None, has_prior: bool
) -> tuple[Uncertainty, float, str]:
    """The denoised gauge, the share of the errors' covariances it took off the second moments, what there is to say."""
    turned = denoised(uncertainty, rho, has_prior)
    if turned is None:
        return uncertainty, 0.0, NOISY
    return (rotated(turned) if rotation == "varimax" else turned), -1.0 if has_prior else 1.0, ""
