"""Which cases of a parametrised test the fast suite runs: ``@pytest.mark.fast_cases("poisson", "rank=1")``.

A test of many cases that cost much stays in ``make test`` with those cases that the mark names; ``make slow`` runs
the others. A case is named by its whole id or by a part of it between hyphens.

scikit-learn's costly checks run there for the cheapest estimators only, in the slow suite for all.
"""

from __future__ import annotations

from typing import Any

# They fit two to twenty times each.
COSTLY = {
    "check_dict_unchanged",
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
}
CHEAPEST = ("BiasModel", "Cells", "ColumnMean", "Popularity", "TwoStepSVD")


def is_costly_check(parameters: dict[str, Any]) -> bool:
    """Whether a case's parameters are one of scikit-learn's costly checks and an estimator that is not cheap."""
    check, estimator = parameters.get("check"), parameters.get("estimator")
    is_costly = getattr(getattr(check, "func", check), "__name__", "") in COSTLY
    return is_costly and not any(name in _class_names(estimator) for name in CHEAPEST)


def _class_names(estimator: Any) -> set[str]:
    """The classes of an estimator and of those that it holds; its whole text costs a millisecond."""
    held = (value for value in vars(estimator).values() if hasattr(value, "get_params"))
    return {type(part).__name__ for part in (estimator, *held)}


def is_named(case: str, names: tuple[str, ...]) -> bool:
    """Whether a case's id is one of the names, or holds one between its hyphens."""
    return any(case == name or f"-{name}-" in f"-{case}-" for name in names)
