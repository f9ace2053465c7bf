"""The cases of the golden table: which model, with which parameters, fitted to what, and what is read.

A case has ``model`` (class), ``data`` (a function of ``golden_data``), ``reads`` (readings of ``golden_readings`` or
learned attributes) and, where there is something to say, ``parameters``, ``fit`` (keywords of ``fit``), ``how``
("paper", "from_rows", "partial_fit"), ``inference`` (its keywords) and ``intervals`` (what is read from it).
"""

from __future__ import annotations

from typing import Any

from golden_readings import Make

# A case whose numbers an issue changes on purpose -> what changed. `renew.py` takes new numbers of these only.
REALISED = "ends of realised scores come from the exact law of the sum of the hidden cells; estimates are the same"
INSIDE = "the ends of a band over scores stay inside the range that scores can have; its quantile is the same"
LEVEL = "a level that is a tenth of the squares is taken out before descent"
NOISE = "rows of one-sided completion are placed and predicted with the noise of each column"
DRAWN = "held-out entries are drawn by a hash of row and column, not by their place"
CHOSEN = "the penalty of least squares is chosen on held-out entries, and a fit comes down the same path"
OWN_UNITS = "weights are given back in the units of the features, which this fit scales; predictions are the same"
WARM = "fits of the factor model come down one warm path from a shorter start, to the same point within their tolerance"
MIXED = "sweeps of Firth's correction are extrapolated, and damped only where they turn, to the same fixed point"
PRIOR = (
    "the intercepts' prior counts what factors and noise add to their spread, by which starts move too; without a "
    "penalty fits end where they did, to 1e-8"
)
LATTICE = "ends of realised scores of items lie where such a score can be; " + INSIDE
CHANGED: dict[str, str] = {
    "factor gaussian one step": PRIOR,
    "factor gaussian nesterov, trimmed": PRIOR,
    "factor gaussian start linear, alternating": PRIOR,
    "one-sided thin_rows": NOISE,
    "one-sided gaussian": NOISE,
    "one-sided complete": NOISE,
    "inductive, cross start": OWN_UNITS,
    "factor bernoulli map": WARM,
    "factor bernoulli none": MIXED,
    "factor ordinal map": WARM,
    "factor ordinal none": PRIOR,
    "items auto tall_board": LATTICE,
    "items auto wide_board": LATTICE,
    "items rasch tall_board": LATTICE,
    "items rasch wide_board": LATTICE,
    "items blocks": LATTICE,
    "items 2pl tall_board": LATTICE,
    "items 2pl wide_board": LATTICE,
    "factor gaussian auto": PRIOR,
    "factor bernoulli auto": WARM,
    "factor probit auto": MIXED,
    "factor poisson auto": WARM,
    "factor negative_binomial auto": PRIOR,
    "least squares gaussian": CHOSEN,
    "least squares, rank sought gaussian": CHOSEN,
    "soft impute gaussian": DRAWN,
    "soft impute, other choices gaussian": DRAWN,
    "least squares yes_no": CHOSEN,
    "least squares, rank sought yes_no": CHOSEN,
    "soft impute yes_no": DRAWN,
    "soft impute, other choices yes_no": DRAWN,
    "least squares counts": CHOSEN,
    "least squares, rank sought counts": CHOSEN,
    "soft impute counts": DRAWN,
    "soft impute, other choices counts": DRAWN,
    "least squares, weights and Cholesky": CHOSEN,
    "least squares in single precision": CHOSEN,
    "descent gaussian": DRAWN,
    "descent yes_no": LEVEL,
    "descent counts": DRAWN,
    "descent stopped: not refitted": DRAWN,
    "descent bernoulli": DRAWN,
    "descent stopped: held out": DRAWN,
    "descent poisson": DRAWN,
    "sparse autoencoder sources": DRAWN,
    "heterogeneous autoencoder sources": DRAWN,
    "heterogeneous autoencoder, stopped early": DRAWN,
    "heterogeneous autoencoder, rounds": DRAWN + "; rounds take longer local steps",
    "factor gaussian map": PRIOR,
    "factor gaussian none": WARM,
    "factor probit map": WARM,
    "factor probit none": MIXED,
    "factor poisson map": WARM,
    "factor poisson none": MIXED,
    "factor negative_binomial map": PRIOR,
    "factor negative_binomial none": PRIOR,
    "factor ordinal auto": MIXED + "; the fit without a penalty now ends within its sweeps and is chosen",
    "factor binomial(6) auto": WARM,
    "factor binomial(6) map": WARM,
    "factor binomial(6) none": MIXED,
    "factor gaussian start spectral, varimax": PRIOR,
    "factor bernoulli start spectral, varimax": WARM,
    "factor poisson start spectral, varimax": WARM + "; varimax turns until it rests",
    "factor bernoulli start linear, alternating": WARM,
    "factor poisson start linear, alternating": WARM,
    "factor bernoulli one step": WARM,
    "factor poisson one step": WARM,
    "factor gaussian firth": MIXED,
    "factor bernoulli firth": MIXED,
    "factor poisson firth": MIXED,
    "factor gaussian no correction": WARM,
    "factor bernoulli no correction": PRIOR,
    "factor poisson no correction": WARM,
    "factor plug-in intervals": MIXED,
    "factor sandwich intervals": MIXED,
    "factor weights and labels": WARM,
    "factor trials and offset": WARM,
    "factor mixed families": WARM,
    "clusters of Fourier features": DRAWN,
}

Case = dict[str, Any]
CASES: dict[str, Case] = {}


def add(name: str, model: str, data: str, reads: list[str], **more: Any) -> None:
    CASES[name] = {"model": model, "data": data, "reads": reads, **{key: value for key, value in more.items() if value}}


# ---- GeneralizedFactorModel ----------------------------------------------------------------------------------------

POINT = ["predictions", "intercept_", "row_factors_", "col_factors_"]
MANY = ["entries", "responses", "rows", "columns", "intercepts", "scores", "realised scores", "differences", "contrast"]
JOINT = ["ranks", "ranks, ties", "ranks by score", "band of rows", "band of scores", "band of entries"]
FAMILIES = {
    "gaussian": ("gaussian", 2), "bernoulli": ("yes_no", 2), "probit": ("yes_no", 1), "poisson": ("counts", 1),
    "negative_binomial": ("overdispersed", 1), "ordinal": ("ordinal", 1), "binomial(6)": ("passes", 1),
}  # fmt: skip
for family, (data, rank) in FAMILIES.items():
    for penalty in ("auto", "map", "none"):
        # rank 1 without a penalty: a second component of so small a table is not identified, and refused
        words = {"rank": 1 if penalty == "none" else rank, "family": family, "penalty": penalty, "random_state": 0}
        extra = ["thresholds_"] if family == "ordinal" else []
        if family in ("gaussian", "bernoulli"):
            extra += ["placed", "score"]
        intervals = {"map": ["entries", "rows", "ranks, per item"], "none": ["entries", "responses", "rows", "scores"]}
        if penalty != "auto" and family in ("gaussian", "bernoulli", "ordinal"):
            intervals = {"map": [*MANY, "ranks, per item"], "none": [*MANY, *JOINT]}
        add(
            f"factor {family} {penalty}", "GeneralizedFactorModel", data, POINT + extra, parameters=words,
            inference={"random_state": 0, "draws": 200}, intervals=intervals.get(penalty, []),
        )  # fmt: skip
CASES["factor ordinal none"]["intervals"].append("thresholds")

VARIATIONS: dict[str, Case] = {
    "start spectral, varimax": {
        "rank": 2,
        "start": "spectral",
        "rotation": "varimax",
        "rho": 2.0,
        "n_triplets": 3,
        "c_lambda": 3.0,
    },
    "start linear, alternating": {"start": "linear", "solver": "alternating", "tol": 1e-8},
    "nesterov, trimmed": {"solver": "nesterov", "trim": 2.5, "max_iter": 400, "step": 0.002, "is_centred": False},
    "one step": {"one_step_penalty": 0.7, "max_iter": 3, "c_orth": 0.1},
    "firth": {"bias": "firth", "penalty": 0.8},
    "no correction": {"bias": "none", "penalty": "none"},
}
for name, changed in VARIATIONS.items():
    for data, family in (("gaussian", "gaussian"), ("yes_no", "bernoulli"), ("counts", "poisson")):
        words = {"rank": 1, "family": family, "penalty": "map", "random_state": 1, **changed}
        add(f"factor {family} {name}", "GeneralizedFactorModel", data, ["predictions", "row_factors_"],
            parameters=words)  # fmt: skip

BERNOULLI = {"rank": 1, "family": "bernoulli", "penalty": "none", "random_state": 0}
add(
    "factor plug-in intervals", "GeneralizedFactorModel", "yes_no", ["row_factors_"], parameters=BERNOULLI,
    inference={"variance": "plug_in", "gauge": "plain", "level": 0.9, "draws": 100, "random_state": 2},
    intervals=["entries", "linear entries", "rows", "columns", "ranks", "band of rows, multiplier",
               "abilities of new rows", "scores of new rows"],
)  # fmt: skip
add(
    "factor sandwich intervals", "GeneralizedFactorModel", "yes_no", ["row_factors_"], parameters=BERNOULLI,
    inference={"variance": "sandwich", "draws": 100, "random_state": 2}, intervals=["entries", "rows", "band of rows"],
)  # fmt: skip
add(
    "factor weights and labels", "GeneralizedFactorModel", "labelled", POINT, inference={"random_state": 0},
    parameters={"rank": 1, "penalty": "none", "random_state": 0}, intervals=["entries", "rows"],
)  # fmt: skip
add(
    "factor trials and offset", "GeneralizedFactorModel", "trials", POINT, inference={"random_state": 0},
    parameters={"rank": 1, "family": "bernoulli", "penalty": "map", "random_state": 0}, intervals=["entries"],
)  # fmt: skip
add(
    "factor mixed families", "GeneralizedFactorModel", "mixed", POINT, inference={"random_state": 0},
    parameters={"rank": 1, "family": ["gaussian"] * 8 + ["bernoulli"] * 6, "penalty": "map", "random_state": 0},
    intervals=["entries", "rows"],
)  # fmt: skip
add(
    "factor as printed", "GeneralizedFactorModel", "yes_no", POINT, how="paper",
    parameters={"rank": 2, "step": 0.02, "max_iter": 300, "random_state": 0},
)  # fmt: skip
add("factor of rank 0", "GeneralizedFactorModel", "counts", ["predictions", "intercept_"],
    parameters={"rank": 0, "family": "poisson"})  # fmt: skip

# ---- ItemResponseModel (columns integrated out) --------------------------------------------------------------------

ABILITIES = ["predictions", "placed", "intercept_", "row_factors_", "col_factors_"]
BOARD = ["entries", "linear entries", "responses", "rows", "columns", "intercepts", "scores", "realised scores",
         "differences", "ranks", "ranks, ties", "ranks, posterior", "ranks by realised score", "band of scores",
         "abilities of new rows", "scores of new rows"]  # fmt: skip
for kind in ("auto", "rasch", "2pl"):
    for data in ("wide_board", "tall_board"):
        add(
            f"items {kind} {data}", "ItemResponseModel", data, ABILITIES, inference={"random_state": 0, "draws": 200},
            parameters={"kind": kind, "integrate": "columns", "random_state": 0}, intervals=BOARD,
        )  # fmt: skip
add(
    "items blocks", "ItemResponseModel", "wide_board", ["row_factors_"], fit={"blocks": ["x", "y", "z"] * 20},
    parameters={"kind": "rasch", "integrate": "columns", "tol": 0.05, "random_state": 0},
    inference={"random_state": 0, "draws": 200}, intervals=["scores", "realised scores", "ranks by realised score"],
)  # fmt: skip
add(
    "items pass rates", "ItemResponseModel", "rates_board", ["row_factors_", "col_factors_", "dispersion_"],
    parameters={"kind": "2pl", "integrate": "columns", "random_state": 0},
    inference={"random_state": 0, "draws": 200, "level": 0.9}, intervals=["entries", "scores", "ranks"],
)  # fmt: skip

# ---- everyday completion -------------------------------------------------------------------------------------------

# What the sampler was before rows had features and noise of their own.
PLAIN_BAYES = {"implicit": "none", "noise": "equal"}
BIASED = ["predictions", "mean_", "row_bias_", "col_bias_", "row_factors_", "col_factors_"]
THREE = ("gaussian", "yes_no", "counts")
for data in THREE:
    add(f"least squares {data}", "AlternatingLeastSquares", data, [*BIASED, "placed", "score"],
        parameters={"random_state": 0})  # fmt: skip
    add(f"least squares, rank sought {data}", "AlternatingLeastSquares", data,
        ["predictions", "rank_", "rank_search_.losses"], parameters={"rank": "auto", "random_state": 0})  # fmt: skip
    add(
        f"least squares, other choices {data}", "AlternatingLeastSquares", data, BIASED,
        parameters={"rank": 3, "penalty": 0.5, "bias_penalty": 0.1, "alpha": 1.0, "n_starts": 2, "max_iter": 30,
                    "tol": 1e-6, "solver": "cg", "clip": "range", "random_state": 1},
    )  # fmt: skip
    add(f"soft impute {data}", "SoftImpute", data,
        [*BIASED, "singular_values_", "penalty_", "path_.losses", "placed"],
        parameters={"random_state": 0})  # fmt: skip
    add(
        f"soft impute, other choices {data}", "SoftImpute", data, ["predictions", "singular_values_", "growth_"],
        parameters={"rank": 5, "bias_penalty": 1.0, "n_penalties": 10, "smallest": 0.02, "held_out": 0.2,
                    "patience": 3, "debias": True, "solver": "low_rank", "tol": 1e-6, "max_iter": 60, "clip": "range",
                    "random_state": 1},
    )  # fmt: skip
    add(f"Bayes {data}", "BayesianFactorization", data, [*BIASED, "noise_sd_", "placed"],
        parameters={"rank": 2, **PLAIN_BAYES, "max_iter": 40, "burn_in": 10, "random_state": 0},
        intervals=["entries", "responses", "rows"])  # fmt: skip
add("least squares, weights and Cholesky", "AlternatingLeastSquares", "labelled", BIASED,
    parameters={"rank": 2, "solver": "cholesky", "clip": (0.0, 6.0), "max_iter": 8, "random_state": 0})  # fmt: skip
add("least squares in single precision", "AlternatingLeastSquares", "gaussian", ["predictions"],
    parameters={"rank": 2, "precision": "float32", "random_state": 0})  # fmt: skip
add("soft impute, given penalty", "SoftImpute", "labelled", BIASED,
    parameters={"penalty": 1.5, "bias_penalty": None, "solver": "ridge", "random_state": 0})  # fmt: skip
add("Bayes bernoulli", "BayesianFactorization", "yes_no", [*BIASED, "linear", "placed"],
    parameters={"rank": 1, "family": "bernoulli", "max_iter": 30, "burn_in": 5, "random_state": 0},
    intervals=["entries", "linear entries", "columns"])  # fmt: skip
add("Bayes, other choices", "BayesianFactorization", "labelled", BIASED, inference={"level": 0.8},
    parameters={"rank": 3, **PLAIN_BAYES, "max_iter": 30, "burn_in": 5, "start_iter": 2, "memory": 0.02,
                "clip": "range", "random_state": 1}, intervals=["entries", "responses"])  # fmt: skip
add("Bayes in single precision", "BayesianFactorization", "gaussian", ["predictions"],
    parameters={"rank": 2, **PLAIN_BAYES, "max_iter": 20, "burn_in": 5, "precision": "float32",
                "random_state": 0})  # fmt: skip

# ---- overparametrized descent --------------------------------------------------------------------------------------

DESCENT = ["predictions", "left_", "right_", "singular_values_", "stop_time_", "threshold_", "placed"]
for data in (*THREE, "complete"):
    add(f"descent {data}", "OverparametrizedFactorization", data, DESCENT, parameters={"random_state": 0})
STOPS: dict[str, Any] = {
    "between": "between", "discrepancy": "discrepancy", "plateau": "plateau", "held out": "held_out", "sure": "sure",
    "given time": 60, "window": Make("TheoryWindow", {"rank": 2, "law": "sharp"}),
    "between modes": Make("BetweenModes", {"rank": 2}), "noise known": Make("Sure", {"noise": 0.4}),
    "discrepancy by factor": Make("DiscrepancyStop", {"factor": 1.3, "share": 0.7}),
    "flat": Make("PlateauStop", {"tol": 0.01, "window": 0.2}),
    "not refitted": Make("HeldOutStop", {"held_out": 0.2, "patience": 30, "is_refitted": False}),
}  # fmt: skip
for name, stop in STOPS.items():
    add(f"descent stopped: {name}", "OverparametrizedFactorization", "complete", ["singular_values_", "stop_time_"],
        parameters={"rank": 10, "stop": stop, "random_state": 2})  # fmt: skip
add("descent in the basis", "OverparametrizedFactorization", "complete",
    ["predictions", "singular_values_", "path_.times"],
    parameters={"rank": 12, "solver": "basis", "centre": "columns", "keep": 3, "record": 0.05,
                "random_state": 0})  # fmt: skip
add("descent by the filter", "OverparametrizedFactorization", "complete",
    ["predictions", "approximation of rank 2", "sure_"],
    parameters={"rank": 15, "solver": "filter", "start_scale": 1e-4, "step": 0.004, "centre": "none",
                "random_state": 0})  # fmt: skip
add("descent, symmetric", "OverparametrizedFactorization", "symmetric", ["predictions", "singular_values_"],
    parameters={"is_symmetric": True, "random_state": 0})  # fmt: skip
add("descent bernoulli", "OverparametrizedFactorization", "yes_no", DESCENT,
    parameters={"rank": 4, "family": "bernoulli", "random_state": 0, "max_iter": 25})  # fmt: skip
add("descent poisson", "OverparametrizedFactorization", "counts", ["predictions", "singular_values_"],
    parameters={"rank": 4, "family": "poisson", "centre": "mean", "is_guarded": True, "random_state": 0})  # fmt: skip

# ---- comparisons ---------------------------------------------------------------------------------------------------

for data in THREE:
    add(f"column mean {data}", "ColumnMean", data, ["predictions", "score"])
    add(f"column mean, shrunk {data}", "ColumnMean", data, ["predictions"], parameters={"shrinkage": 4.0})
    add(f"biases {data}", "BiasModel", data, ["predictions", "row_bias_", "col_bias_", "placed", "score"])
    add(f"biases, other choices {data}", "BiasModel", data, ["predictions"],
        parameters={"row_penalty": 1.0, "col_penalty": 0.5, "max_iter": 10, "tol": 1e-9,
                    "clip": (0.5, 3.0)})  # fmt: skip

CLASSES = ["predictions", "scores of new rows"]
add("popularity", "Popularity", "one_class", ["predictions"])
add("neighbours", "NeighbourProfile", "one_class", CLASSES)
add("five neighbours", "NeighbourProfile", "one_class", CLASSES, parameters={"n_neighbours": 5})
add("kernel ridge of rows", "RowKernelRidge", "one_class", CLASSES)
add("kernel ridge of rows, penalty", "RowKernelRidge", "one_class", CLASSES, parameters={"penalty": 0.2})
add("kernel ridge of cells", "KronRidge", "one_class", CLASSES)
add("kernel ridge of cells, penalty", "KronRidge", "one_class", CLASSES, parameters={"penalty": 0.2})

# ---- one-sided completion and its moments --------------------------------------------------------------------------

MOMENT = ["eigenvalues_", "psi_", "components_", "second moment", "placed", "predictions of new rows"]
for data in ("thin_rows", "gaussian", "complete"):
    add(f"one-sided {data}", "OneSidedCompletion", data, MOMENT, parameters={"rank": 2, "random_state": 0},
        inference={"groups": 40, "random_state": 0, "level": 0.9},
        intervals=["second moments", "eigenvalues", "predictions of rows", "angles of the row space"])  # fmt: skip
    add(f"pair moments {data}", "PairMoments", data, ["pair counts", "pair sums"], how="from_rows")
ONE_SIDED: dict[str, Case] = {
    "rank sought": {"rank": "auto", "ranks": (1, 3)},
    "Horvitz-Thompson": {"estimator": "horvitz_thompson", "sampling": "columns"},
    "counts, psi by column": {"weights": "counts", "psi": "columns", "penalty": 0.1},
    "known psi": {"psi": 0.09, "start": "random", "is_preconditioned": False, "max_iter": 20, "tol": 1e-7},
    "descent": {
        "solver": "gd",
        "step": 0.5,
        "max_iter": 30,
        "row_norm": 0.5,
        "incoherence": 1e-3,
        "diagonal_weight": 0.2,
    },
    "rows left": {"keeps_rows": False, "rank": 3},
    "private": {
        "privacy": Make("Privacy", {"epsilon": 5.0, "delta": 1e-4, "bound": 6.0, "max_entries": 3}),
        "random_state": Make("Generator", {"seed": 5}),
    },
}
for name, changed in ONE_SIDED.items():
    add(f"one-sided, {name}", "OneSidedCompletion", "thin_rows", ["eigenvalues_", "psi_", "second moment"],
        parameters={"rank": 2, "random_state": 1, **changed})  # fmt: skip
add("one-sided as printed", "OneSidedCompletion", "thin_rows", ["eigenvalues_", "row space"], how="paper",
    parameters={"rank": 2, "random_state": 0, "max_iter": 50})  # fmt: skip
add("one-sided, block by block", "OneSidedCompletion", "thin_rows", ["eigenvalues_", "second moment"],
    how="partial_fit", parameters={"rank": 2, "random_state": 0})  # fmt: skip

# ---- sources -------------------------------------------------------------------------------------------------------

PARTS = ["tables", "shared_basis_", "shared part", "heterogeneity", "misalignment_", "score"]
SOURCES = ("sources", "complete_sources", "spiked_sources")
TWO_AND_ONE = {"shared_rank": 2, "unique_rank": 1}
for data in SOURCES:
    for model in ("HeterogeneousFactorization", "PersonalizedPCA", "COBE"):
        few = {"max_iter": 300} if model == "PersonalizedPCA" else {}  # it creeps: a second per fit to its end
        add(f"{model} {data}", model, data, PARTS, parameters={**TWO_AND_ONE, **few, "random_state": 0})
    for model in ("JIVE", "RobustJIVE", "TwoStepSVD"):
        add(f"{model} {data}", model, data, PARTS, parameters=TWO_AND_ONE)
CASES["HeterogeneousFactorization sources"].update(
    reads=[*PARTS, "shared part, l1", "placed columns", "placed source"],
    inference={"random_state": 0, "groups": 10}, intervals=["shared basis", "angles of the shared space"],
)  # fmt: skip
HETEROGENEOUS: dict[str, Case] = {
    "stepwise, huber": {"family": "huber(0.8)", "start": "stepwise", "max_iter": 60, "tol": 1e-7},
    "random start, penalty": {"penalty": 0.5, "start": "random", "start_scale": 0.01, "n_restarts": 1},
    "warm start": {"start": "warm", "unique_rank": {"a": 2, "b": 1, "c": 0}},
    "descent": {"solver": "gd", "step": 0.01, "beta": 0.1, "max_iter": 300},
    "scaled descent": {"solver": "scaled-gd", "max_iter": 200},
}
for name, changed in HETEROGENEOUS.items():
    add(f"heterogeneous, {name}", "HeterogeneousFactorization", "sources", ["tables", "shared_basis_", "score"],
        parameters={**TWO_AND_ONE, "random_state": 1, **changed})  # fmt: skip
add("heterogeneous, weights", "HeterogeneousFactorization", "sources", ["tables", "shared_basis_"],
    parameters={**TWO_AND_ONE, "random_state": 0}, fit={"weights": {"a": 2.0, "c": 0.5}})  # fmt: skip
add("heterogeneous bernoulli", "HeterogeneousFactorization", "yes_no_sources", ["tables", "shared_basis_", "score"],
    parameters={"shared_rank": 1, "unique_rank": 1, "family": "bernoulli", "penalty": 1.0, "max_iter": 40,
                "random_state": 0})  # fmt: skip
add("JIVE, other choices", "JIVE", "sources", ["tables", "shared_basis_"],
    parameters={**TWO_AND_ONE, "missing": "zero", "is_orthogonal": False, "max_iter": 8, "tol": 1e-7})  # fmt: skip
add("RobustJIVE, other choices", "RobustJIVE", "spiked_sources", ["tables", "shared_basis_"],
    parameters={**TWO_AND_ONE, "mu": 2.0, "sparsity": 0.2, "max_iter": 80, "tol": 1e-4})  # fmt: skip
add("RobustJIVE as printed", "RobustJIVE", "spiked_sources", ["tables"], how="paper",
    parameters={**TWO_AND_ONE, "max_iter": 60})  # fmt: skip
add("PersonalizedPCA, other choices", "PersonalizedPCA", "complete_sources", ["tables"],
    parameters={**TWO_AND_ONE, "step": 0.05, "max_iter": 100, "tol": 1e-10, "random_state": 1})  # fmt: skip
add("COBE, other choices", "COBE", "complete_sources", ["tables"],
    parameters={**TWO_AND_ONE, "max_iter": 3, "tol": 1e-8, "random_state": 1})  # fmt: skip

# ---- autoencoders --------------------------------------------------------------------------------------------------

SMALL = {"width": 6, "hidden": 8, "max_iter": 2, "steps": 4, "precision": "float64", "random_state": 0}
OWN = {**SMALL, "folds": 2, "unique_hidden": 5}
for data in SOURCES:
    add(f"sparse autoencoder {data}", "SparseAutoencoder", data, ["tables", "score"], parameters=SMALL)
    add(f"heterogeneous autoencoder {data}", "HeterogeneousAutoencoder", data, ["tables", "score"], parameters=OWN)
CASES["sparse autoencoder sources"]["reads"] = ["tables", "score", "embedded", "predicted columns"]
CASES["heterogeneous autoencoder sources"]["reads"] = ["tables", "score", "embedded", "predicted columns"]
NETWORKS: dict[str, Case] = {
    "L-BFGS": {"solver": "lbfgs", "history": 5, "kernel": "gaussian", "gamma": 0.5, "dimension": 3,
               "penalty": 0.1, "unique_penalty": 1.0, "unique_end": "sigmoid"},
    "stopped early": {"held_out": 0.4, "patience": 1, "max_iter": 8, "learning_rate": 0.05, "is_refitted": False},
    "rounds": {"solver": "rounds", "local_steps": 2, "kernel": "none", "unique_end": "linear", "is_refitted": False,
               "pretrain": 1},
    "batches": {"batch": 5, "learning_rate": 0.01, "weight_decay": 0.01, "cooldown": 0.3, "drop_entries": 0.3,
                "drop_units": 0.2, "n_starts": 2, "clip": (-0.2, 0.2), "sparsity": 0.02},
}  # fmt: skip
for name, changed in NETWORKS.items():
    add(f"heterogeneous autoencoder, {name}", "HeterogeneousAutoencoder", "sources", ["tables", "embedded"],
        parameters={**OWN, **changed})  # fmt: skip

# ---- side features -------------------------------------------------------------------------------------------------

# as values and features are given: what was recorded before fits had units of their own
AS_GIVEN = {"scale": "none", "penalty": 1e-3}
TOWERS = ["predictions", "predictions of new features", "row_weights_", "col_weights_", "score"]
for activation in ("linear", "relu", "sigmoid", "tanh", "softplus", "leaky_relu"):
    add(f"inductive {activation}", "InductiveCompletion", "with_features", TOWERS,
        parameters={**AS_GIVEN, "rank": 2, "activation": activation, "random_state": 0})  # fmt: skip
CASES["inductive relu"].update(
    reads=[*TOWERS, "columns of highest prediction"], intervals=["entries", "responses"],
    inference={"level": 0.9, "variance": "model"},
)  # fmt: skip
add("inductive, sandwich", "InductiveCompletion", "with_features", ["predictions"], inference={"variance": "sandwich"},
    parameters={**AS_GIVEN, "rank": 2, "activation": "linear", "penalty": 1e-5, "random_state": 0},
    intervals=["entries"])  # fmt: skip
INDUCTIVE: dict[str, Case] = {
    "many starts": {"n_starts": 4, "max_iter": 30, "random_state": 3},
    "cross start": {"start": "cross", "penalty": 1e-4, "has_intercept": False, "scale": "rms"},
    "tensor start": {"activation": "sigmoid", "start": "tensor", "max_iter": 100, "tol": 1e-8},
    "Levenberg-Marquardt": {"solver": "levenberg-marquardt", "gauge": "none"},
    "descent": {"solver": "gd", "step": 0.05, "start_scale": 0.3, "max_iter": 60, "gauge": "first_row"},
    "effects": {
        "activation": "linear",
        "effects": "both",
        "free_rank": 1,
        "effect_penalty": 1.0,
        "free_penalty": 2.0,
        "penalty": 0.02,
        "max_iter": 30,
    },
}
for name, changed in INDUCTIVE.items():
    add(f"inductive, {name}", "InductiveCompletion", "with_features", TOWERS,
        parameters={**AS_GIVEN, "rank": 2, "random_state": 1, "activation": "relu", **changed})  # fmt: skip
add("inductive bernoulli", "InductiveCompletion", "yes_no_with_features", TOWERS, intervals=["entries"],
    parameters={**AS_GIVEN, "rank": 2, "activation": "linear", "family": "bernoulli", "penalty": 0.01,
                "random_state": 0})  # fmt: skip
for activation in ("linear", "relu"):
    add(f"inductive one-class {activation}", "InductiveCompletion", "one_class_with_features", TOWERS,
        parameters={**AS_GIVEN, "rank": 3, "activation": activation, "family": "one_class", "beta": 0.05,
                    "random_state": 0})  # fmt: skip
CLUSTERS = ["labels_", "weights_", "clusters of new items", "similarities"]
add("clusters", "SimilarityClustering", "clusters", CLUSTERS, parameters={"n_clusters": 3, "random_state": 0})
add("clusters of Fourier features", "SimilarityClustering", "clusters", [*CLUSTERS, "scale_"],
    parameters={"n_clusters": 3, "features": "rff", "rank": 3, "max_iter": 15, "penalty": 1e-3, "activation": "sigmoid",
                "n_starts": 2,
                "random_state": 0})  # fmt: skip
add("clusters of Fourier features of given scale", "SimilarityClustering", "clusters", CLUSTERS,
    parameters={"n_clusters": 3, "features": "rff", "scale": 0.4, "start_scale": 0.2, "max_iter": 12,
                "random_state": 1})  # fmt: skip

# The numbers of many sources are those of the published estimators, which take nothing out first.
PUBLISHED = ("HeterogeneousFactorization", "JIVE", "RobustJIVE", "PersonalizedPCA", "COBE", "TwoStepSVD")
for name, case in CASES.items():
    if case["model"] in PUBLISHED and "as printed" not in name:
        words = {"centre": False} | ({"solver": "als"} if case["model"] == PUBLISHED[0] else {})
        case["parameters"] = words | case.get("parameters", {})
