"""scikit-learn's costly checks: in the fast suite for the cheapest estimators only, in ``make slow`` for all."""

from __future__ import annotations

import pytest

# They fit five to twenty times each.
COSTLY = {
    "check_dict_unchanged",
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_subset_invariance",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
}
CHEAPEST = {"BiasModel", "Cells", "ColumnMean", "Popularity", "TwoStepSVD"}


def name_of(check: object) -> str:
    """The name of a check that may stand in a partial."""
    return getattr(getattr(check, "func", check), "__name__", "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        known = getattr(getattr(item, "callspec", None), "params", {})
        if name_of(known.get("check")) in COSTLY and type(known.get("estimator")).__name__ not in CHEAPEST:
            item.add_marker(pytest.mark.slow)
