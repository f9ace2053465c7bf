"""Probit, negative binomial, ordinal and mixed columns: stationary points, truth, weights, offsets, files, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, gammaln
from sklearn.base import clone

import halfseen as hs
from halfseen.losses import Bernoulli, NegativeBinomial, Ordinal

NAMES = ["probit", "negative_binomial", "ordinal", "mixed"]
MIXED = ["gaussian"] * 12 + ["bernoulli"] * 12 + ["poisson"] * 12 + ["ordinal"] * 12 + ["negative_binomial"] * 12


def family_of(name):
    return MIXED if name == "mixed" else name


def draw(name, n=150, p=60, seed=0, rank=1, **more):
    # a probit of unit strength tells too little at this size: unpenalised fits separate
    more = {"strength": 0.5 if name == "probit" else 1.0, **more}
    return hs.datasets.make_factor_data(n, p, rank, family_of(name), observed=0.8, random_state=seed, **more)


def fit(data, penalty="none", **more):
    rank = data.row_factors.shape[1]
    return hs.GeneralizedFactorModel(rank, data.family, penalty=penalty, random_state=0, **more).fit(data.observed)


def error(model, data):
    return np.linalg.norm(model.predict_table(kind="linear") - data.linear) / np.linalg.norm(data.linear)


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    data = draw(request.param)
    return data, fit(data)


@pytest.mark.fast_cases("probit")
@pytest.mark.parametrize("name", NAMES)
def test_the_default_fit_reaches_a_stationary_point_near_the_truth(name):
    data = draw(name)
    model = fit(data, "auto")
    assert model.run_.converged
    assert error(model, data) < 0.6
    null = hs.GeneralizedFactorModel(0, data.family).fit(data.observed)
    assert error(model, data) < 0.8 * error(null, data)


def test_every_stage_is_closer_to_the_truth_than_the_intercepts_alone(case):
    data, model = case
    null = np.linalg.norm(data.row_factors @ data.col_factors.T)
    for name in ("one_step", "final"):
        stage = model.stages_[name]
        assert np.linalg.norm(stage.rows @ stage.cols.T - data.row_factors @ data.col_factors.T) < null


@pytest.mark.fast_cases("negative_binomial")
def test_a_fit_without_correction_has_no_slope_left(case):
    """The plain likelihood's slopes by finite differences, at the parameters that the estimator shows."""
    data, _ = case
    model = fit(data, bias="none", tol=1e-7)
    R = data.observed
    loss = model.loss_.at_columns(R.cols) if hasattr(model.loss_, "at_columns") else model.loss_
    rng, h = np.random.default_rng(0), 1e-5

    def total(zeta, X, Y):
        return loss.value(R.values, zeta[R.cols] + np.einsum("ek,ek->e", X[R.rows], Y[R.cols])).sum()

    point = [model.intercept_, model.row_factors_, model.col_factors_]
    for part in range(3):
        move = rng.normal(size=point[part].shape)
        ends = []
        for sign in (1, -1):
            moved = list(point)
            moved[part] = moved[part] + sign * h * move
            ends.append(total(*moved))
        # rounding of the value: about 1e-11 / 1e-5
        assert abs(ends[0] - ends[1]) / (2 * h) < 1e-4


@pytest.mark.slow
def test_thresholds_are_stationary_too():
    """Each threshold's own slope, the weak pull of its distances to their usual ones included."""
    from halfseen.losses.ordinal import PULL

    data = draw("ordinal")
    model = fit(data, bias="none", tol=1e-8)
    R, X, Y = data.observed, model.row_factors_, model.col_factors_
    usual = np.asarray(model.loss_.usual)
    for j in (0, 7):
        mine = R.cols == j
        y, eta = R.values[mine], X[R.rows[mine]] @ Y[j]

        def objective(thresholds, y=y, eta=eta):
            gaps = np.diff(thresholds)
            pull = PULL * np.sum(-np.log(-np.expm1(-gaps)) + gaps / np.expm1(usual))
            return Ordinal(thresholds, lowest=1).value(y, eta).sum() + pull

        at = model.thresholds_[j]
        slopes = [(objective(at + e) - objective(at - e)) / 2e-5 for e in 1e-5 * np.eye(4)]
        np.testing.assert_allclose(slopes, 0.0, atol=1e-4)


def test_without_factors_thresholds_are_the_logits_of_the_shares():
    data = draw("ordinal", n=4000, p=5, rank=0)
    model = hs.GeneralizedFactorModel(0, "ordinal", penalty="none", bias="none").fit(data.observed)
    table = data.observed.to_dense()
    for j in range(5):
        y = table[~np.isnan(table[:, j]), j]
        shares = [np.mean(y < t) for t in (2, 3, 4, 5)]
        np.testing.assert_allclose(expit(model.thresholds_[j]), shares, atol=5e-4)


def test_without_factors_sizes_are_those_of_the_adjusted_profile_likelihood():
    """A naive twin: each column's likelihood less half the log of its information, and the common pull."""
    from halfseen.losses.negative_binomial import PULL

    rng = np.random.default_rng(0)
    table = NegativeBinomial(np.array([0.7, 2.0, 5.0])).sample(np.full((400, 3), 1.0), rng)
    model = hs.GeneralizedFactorModel(0, "negative_binomial", penalty="none", bias="none").fit(table)

    def objective(logs):
        total = 0.5 * PULL * np.sum(np.square(logs - logs.mean()))
        for j, theta in enumerate(np.exp(logs)):
            y, mu = table[:, j], table[:, j].mean()
            log = gammaln(y + theta) - gammaln(theta) + theta * np.log(theta) - (y + theta) * np.log(theta + mu)
            total -= np.sum(log + y * np.log(mu)) - 0.5 * np.log(theta * mu / (theta + mu))
        return total

    best = minimize(objective, np.zeros(3), tol=1e-12)
    np.testing.assert_allclose(np.log(model.loss_.size), best.x, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:too little information")
def test_sizes_and_thresholds_find_the_truth():
    sizes = np.random.default_rng(0).uniform(1.0, 6.0, 12)
    data = hs.datasets.make_factor_data(
        800, 12, 1, NegativeBinomial(sizes), observed=0.9, intercept=1.0, random_state=0
    )
    model = hs.GeneralizedFactorModel(1, "negative_binomial", penalty="none", random_state=0).fit(data.observed)
    # 720 counts with mean e: the standard error of a log size is about .1
    assert np.std(np.log(model.loss_.size / sizes)) < 0.2
    assert abs(np.mean(np.log(model.loss_.size / sizes))) < 0.08
    cuts = np.sort(np.random.default_rng(1).normal(size=(12, 3)), axis=1) + np.array([-1.0, 0.0, 1.0])
    cuts -= cuts.mean(axis=1, keepdims=True)
    data = hs.datasets.make_factor_data(800, 12, 1, Ordinal(cuts, lowest=1), observed=0.9, random_state=0)
    model = hs.GeneralizedFactorModel(1, "ordinal", penalty="none", random_state=0).fit(data.observed)
    found = model.inference().thresholds()
    # 36 standardised errors, those of a column tied: their mean square has a standard error of about .3
    assert 0.5 < np.mean(np.square((found.estimate - (cuts - data.intercept[:, None])) / found.se)) < 1.8
    np.testing.assert_allclose(found.estimate, model.thresholds_, atol=0.05)
    assert np.abs(model.loss_.cuts.mean(axis=1)).max() < 1e-10


@pytest.mark.slow
def test_two_classes_give_the_fit_of_yes_and_no():
    data = hs.datasets.make_factor_data(100, 60, 1, "bernoulli", observed=0.8, random_state=0)
    options = {"start": "linear", "tol": 1e-9}
    for penalty in ("none", "map"):
        one, two = (
            hs.GeneralizedFactorModel(1, family, penalty=penalty, **options, random_state=0).fit(data.observed)
            for family in ("bernoulli", "ordinal(2)" if data.observed.values.min() else Ordinal(np.zeros((60, 1))))
        )
        np.testing.assert_allclose(two.predict_table(), one.predict_table(), atol=1e-6)


def test_one_family_in_all_columns_is_that_family():
    data = hs.datasets.make_factor_data(100, 60, 1, "poisson", observed=0.8, random_state=0)
    options = {"start": "linear", "tol": 1e-9}
    one, two = (
        hs.GeneralizedFactorModel(1, family, penalty="none", **options, random_state=0).fit(data.observed)
        for family in ("poisson", ["poisson"] * 60)
    )
    np.testing.assert_allclose(two.predict_table(), one.predict_table(), rtol=1e-6)
    np.testing.assert_allclose(
        two.inference(gauge="plain").scores().se, one.inference(gauge="plain").scores().se, rtol=1e-6
    )


@pytest.mark.slow
def test_real_valued_columns_beside_others_have_scales_of_their_own():
    rng = np.random.default_rng(0)
    data = hs.datasets.make_factor_data(800, 20, 1, "gaussian", observed=0.9, random_state=0)
    scales = np.where(np.arange(20) < 10, 0.25, 4.0)
    R = data.observed
    noise = R.values - data.linear[R.rows, R.cols]
    values = data.linear[R.rows, R.cols] + np.sqrt(scales)[R.cols] * noise
    is_yes = R.cols >= 18
    values[is_yes] = rng.random(is_yes.sum()) < expit(data.linear[R.rows, R.cols][is_yes])
    model = hs.GeneralizedFactorModel(1, ["gaussian"] * 18 + ["bernoulli"] * 2, penalty="none", random_state=0)
    model.fit(R.with_values(values))
    found = model.loss_.members[0].scale[:18]
    # 720 entries: standard error of a variance .053 of it
    np.testing.assert_allclose(found, scales[:18], rtol=0.21)


# ---- predictions ---------------------------------------------------------------------------------------------------


def test_ordinal_probabilities_add_up_and_average_to_the_mean():
    data = draw("ordinal")
    model = fit(data)
    pairs = model.predict([0, 3, 7], [5, 5, 9], kind="probabilities")
    assert pairs.shape == (3, 5)
    table = model.predict_table([0, 3], kind="probabilities")
    assert table.shape == (2, 60, 5)
    np.testing.assert_allclose(table.sum(axis=2), 1.0, rtol=1e-12)
    np.testing.assert_allclose(table @ np.arange(1.0, 6.0), model.predict_table([0, 3]), rtol=1e-10)
    np.testing.assert_allclose(pairs[0], table[0, 5], rtol=1e-12)
    above = 1.0 / (1.0 + np.exp(model.thresholds_[5] - model.row_factors_[0] @ model.col_factors_[5]))
    np.testing.assert_allclose(pairs[0][::-1].cumsum()[::-1][1:], above, rtol=1e-10)


def test_only_ordinal_fits_have_probabilities_and_thresholds():
    model = fit(draw("probit"))
    with pytest.raises(ValueError, match=r"\('mean', 'linear'\)"):
        model.predict([0], [1], kind="probabilities")
    with pytest.raises(AttributeError, match="ordinal"):
        _ = model.thresholds_


@pytest.mark.fast_cases("ordinal")
def test_new_rows_are_placed_where_old_ones_are(case):
    data, _ = case
    model = fit(data, "map")
    table = data.observed.to_dense()
    placed = model.transform(table[:20])
    np.testing.assert_allclose(placed, model.row_factors_[:20], atol=1e-4)
    np.testing.assert_allclose(model.predict(table[:20]), model.predict_table(range(20)), atol=1e-3)


@pytest.mark.fast_cases("probit")
def test_an_uncorrected_new_row_is_where_it_was(case):
    data, _ = case
    model = fit(data, bias="none")
    np.testing.assert_allclose(model.transform(data.observed.to_dense()[:20]), model.row_factors_[:20], atol=1e-4)


@pytest.mark.fast_cases("ordinal")
def test_files_and_pickles_predict_the_same_bits(case, tmp_path):
    data, model = case
    hs.save(model, tmp_path / "model.halfseen")
    for other in (hs.load(tmp_path / "model.halfseen"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_table(), model.predict_table())
        np.testing.assert_array_equal(other.transform(data.observed), model.transform(data.observed))
        assert other.score(data.observed) == model.score(data.observed)
        again = other.inference(R=data.observed)
        np.testing.assert_array_equal(again.row_factors().se, model.inference().row_factors().se)


@pytest.mark.fast_cases("ordinal")
def test_single_precision_stays_single(case):
    data, _ = case
    single = hs.GeneralizedFactorModel(1, data.family, penalty="map", random_state=0)
    single.fit(data.observed.astype(np.float32))
    assert single.predict_table().dtype == np.float32
    assert single.transform(data.observed.astype(np.float32)).dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ordinal", "mixed"])
def test_columns_may_come_in_any_order(name):
    data = draw(name)
    order = np.random.default_rng(1).permutation(60)
    family = [MIXED[j] for j in order] if name == "mixed" else name
    options = {"start": "linear", "tol": 1e-8}
    one, two = (
        hs.GeneralizedFactorModel(1, f, penalty="map", **options, random_state=0).fit(table)
        for f, table in ((data.family, data.observed.to_dense()), (family, data.observed.to_dense()[:, order]))
    )
    np.testing.assert_allclose(two.predict_table(), one.predict_table()[:, order], rtol=1e-5, atol=1e-5)


# ---- weights and offsets -------------------------------------------------------------------------------------------


def test_a_weight_of_two_is_the_entry_twice(case):
    """One pass over twice the rows against one with weights 2: the same value, and the same gradient of the columns."""
    from halfseen.engines import EntryPasses

    data, model = case
    R = data.observed
    twice = hs.Observed.from_triplets(
        np.concatenate([R.rows, R.rows + 150]), np.tile(R.cols, 2), np.tile(R.values, 2), shape=(300, 60)
    )
    weighted = R.with_values(R.values, weights=np.full(R.n_entries, 2.0))
    X, Y, zeta = model.row_factors_, model.col_factors_, model.intercept_
    one = EntryPasses(twice, model.loss_).loss_and_gradient(np.tile(X, (2, 1)), Y, col_offset=zeta)
    two = EntryPasses(weighted, model.loss_).loss_and_gradient(X, Y, col_offset=zeta)
    assert two.value == pytest.approx(one.value, rel=1e-10)
    np.testing.assert_allclose(two.B, one.B, rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_heavy_entries_shorten_the_intervals(case):
    data, _ = case
    R = data.observed
    options = {"start": "linear", "tol": 1e-8}
    model = hs.GeneralizedFactorModel(1, data.family, penalty="none", bias="none", **options, random_state=0)
    plain, heavy = (
        clone(model).fit(table) for table in (R, R.with_values(R.values, weights=np.full(R.n_entries, 2.0)))
    )
    # the common pull of sizes and thresholds counts half as much
    linear = [model.predict_table(kind="linear") for model in (heavy, plain)]
    # a few extreme cells of unpenalised fits move more
    assert np.quantile(np.abs(linear[0] - linear[1]), 0.98) < 0.1
    ratio = heavy.inference(variance="plug_in", gauge="plain").row_factors().se
    ratio /= plain.inference(variance="plug_in", gauge="plain").row_factors().se
    assert np.median(ratio) == pytest.approx(np.sqrt(0.5), rel=0.06)


@pytest.mark.fast_cases("probit")
def test_a_known_part_of_the_predictor_is_taken_out(case):
    """Responses drawn with an offset and fitted with it give the factors of the table without."""
    data, _ = case
    R, rng = data.observed, np.random.default_rng(5)
    offset = 0.5 * rng.normal(size=R.n_entries)
    loss = data.loss.at_columns(R.cols) if hasattr(data.loss, "at_columns") else data.loss
    values = loss.sample(data.linear[R.rows, R.cols] + offset, rng)
    table = R.with_values(np.asarray(values, dtype=float))
    model = hs.GeneralizedFactorModel(1, data.family, penalty="map", random_state=0)
    with_it = error(model.fit(table, offset=offset), data)
    assert with_it < 1.25 * error(fit(data, "map"), data)
    assert model.inference().entries([0, 1], [2, 3]).se.shape == (2,)


def test_shares_of_known_totals_can_be_probit():
    rng = np.random.default_rng(0)
    data = hs.datasets.make_factor_data(80, 40, 1, "probit", observed=0.9, random_state=0)
    totals = rng.integers(1, 9, data.observed.n_entries)
    R = data.observed
    counts = rng.binomial(totals, data.mean[R.rows, R.cols]).astype(float)
    model = hs.GeneralizedFactorModel(1, "probit", penalty="none", random_state=0)
    model.fit(R.with_values(counts), trials=totals)
    assert error(model, data) < 0.25
    assert np.isfinite(model.inference().row_factors().se).all()


# ---- what is refused -----------------------------------------------------------------------------------------------


def labelled(values):
    return hs.Observed.from_dense(np.asarray(values, dtype=float), row_labels=list("abc"), col_labels=["x", "y"])


@pytest.mark.parametrize(
    ("family", "table", "match"),
    [
        ("probit", [[0, 1], [1, 2], [0, 0]], r"0 or 1; 1 entry is outside, first R\['b', 'y'\] = 2"),
        ("negative_binomial", [[0, 1], [1, -2], [0, 0]], r"whole numbers 0, 1, 2.*R\['b', 'y'\] = -2"),
        ("ordinal", [[1, 2], [3, 2.5], [1, 1]], r"whole numbers.*R\['b', 'y'\] = 2.5"),
        ("ordinal(5)", [[1, 2], [3, 6], [1, 1]], r"from 1 to 5.*R\['b', 'y'\] = 6"),
        ("ordinal", [[1, 2], [300, 2], [1, 1]], "2 to 30 ordered classes"),
        ("ordinal", [[3, 3], [3, 3], [3, 3]], "2 to 30 ordered classes"),
        (["poisson", "bernoulli"], [[4, 1], [3, 7], [1, 1]], r"'bernoulli' needs 0 or 1.*R\['b', 'y'\] = 7"),
        (["poisson"], [[4, 1], [3, 0], [1, 1]], "names 1 columns, but the table has 2"),
        ({"x": "poisson"}, [[4, 1], [3, 0], [1, 1]], "'y' has no family"),
        ({"x": "poisson", "z": "probit"}, [[4, 1], [3, 0], [1, 1]], "'z' is no column"),
    ],
)
def test_what_a_family_cannot_judge_is_named(family, table, match):
    with pytest.raises(ValueError, match=match):
        hs.GeneralizedFactorModel(1, family, penalty="map").fit(labelled(table))


@pytest.mark.slow
def test_families_by_column_label_follow_the_labels():
    data = draw("mixed")
    names = [f"q{j}" for j in range(60)]
    R = hs.Observed(data.observed.by_rows, col_labels=names)
    by_label = dict(zip(names[::-1], MIXED[::-1], strict=True))
    one = hs.GeneralizedFactorModel(1, by_label, penalty="map", random_state=0).fit(R)
    np.testing.assert_array_equal(one.predict_table(), fit(data, "map").predict_table())
    back = hs.Observed(data.observed.by_rows, col_labels=names).select(data.observed.cols < 30)
    assert np.isfinite(one.score(back))


@pytest.mark.parametrize("options", [{"solver": "gd"}, {"solver": "alternating"}, {"start": "spectral"}])
def test_solvers_and_starts_that_know_no_parameters_per_column_say_so(options):
    data = draw("ordinal")
    with pytest.raises(ValueError, match="family='ordinal'"):
        fit(data, **options)


def test_known_parameters_are_kept():
    data = draw("negative_binomial")
    model = hs.GeneralizedFactorModel(1, "negative_binomial(2)", penalty="map", random_state=0).fit(data.observed)
    assert model.loss_.size == 2.0
    cuts = Ordinal(np.arange(4.0) - 1.5, lowest=1)
    model = hs.GeneralizedFactorModel(1, cuts, penalty="map", random_state=0).fit(draw("ordinal").observed)
    np.testing.assert_array_equal(model.loss_.cuts, np.arange(4.0) - 1.5)


@pytest.mark.slow
def test_a_class_that_nobody_chose_keeps_a_gap():
    table = draw("ordinal").observed.to_dense()
    table[:, 4] = np.where(table[:, 4] == 3, 2, table[:, 4])
    table[:, 9] = np.where(table[:, 9] == 5, 4, table[:, 9])
    model = hs.GeneralizedFactorModel(1, "ordinal", penalty="map", random_state=0).fit(table)
    assert np.diff(model.loss_.cuts[[4, 9]], axis=1).min() > 1e-3
    chances = model.predict([0, 0], [4, 9], kind="probabilities")
    assert np.all(chances > 0)
    assert chances[0, 2] < 0.02
    assert np.isfinite(model.loss_.cuts).all()


@pytest.mark.fast_cases("ordinal")
def test_an_empty_column_and_an_empty_row_are_predicted(case):
    data, _ = case
    table = data.observed.to_dense()
    table[:, [4, 17, 30, 40, 55]] = np.nan
    table[3] = np.nan
    model = hs.GeneralizedFactorModel(1, data.family, penalty="map", random_state=0).fit(table)
    assert np.isfinite(model.predict_table()).all()


def test_bernoulli_is_untouched_by_the_new_paths():
    assert hs.losses.get_loss("bernoulli").kernel == "bernoulli"
    assert not hasattr(Bernoulli(), "at_columns")
