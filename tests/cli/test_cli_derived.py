"""Options of ``halfseen fit`` are those of the estimators, and every exit code means one thing."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

import halfseen as hs
from halfseen.cli.derive import documented, parameters_of
from halfseen.cli.methods import METHODS


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_parameter_of_the_estimator_is_an_option_or_belongs_to_the_job(method):
    names = {one.name for one in method.parameters}
    signature = inspect.signature(method.estimator).parameters
    assert names <= set(signature)
    missing = set(signature) - names - {"random_state", "engine", *method.left_out}
    # what no text can stand for
    for name in missing:
        kind = method.estimator._parameters[name]
        assert not any(isinstance(value, str | int | float | bool) for value in kind.examples()) or name == "privacy"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_defaults_and_texts_are_those_of_the_source(method):
    signature = inspect.signature(method.estimator).parameters
    for one in parameters_of(method.file, method.cls):
        assert one.text, f"--{one.name} has no help"
        default = signature[one.name].default
        assert one.default == default or isinstance(one.default, str)


def test_help_names_values_and_not_types(halfseen):
    for words in ((), ("fit",), ("fit", "als"), ("complete",), ("predict",)):
        text = halfseen(*words, "--help").stdout
        assert "<bool>" not in text
        assert "<str>" not in text


def test_bare_commands_print_their_help_and_end_with_zero(halfseen):
    for words in ((), ("fit",), ("data",)):
        done = halfseen(*words)
        assert done.exit_code == 0
        assert "Commands" in done.stdout


def test_several_values_of_searched_options_are_tried(halfseen, table):
    facts = json.loads(halfseen("fit", "als", table, "--rank", "1,2", "--penalty", "0.1,10", "--json").stdout)
    assert facts["choice"]["names"] == {"rank": [1, 2], "penalty": [0.1, 10.0]} or facts["choice"]["names"] == {
        "penalty": [0.1, 10.0], "rank": [1, 2]
    }  # fmt: skip
    assert len(facts["choice"]["all_losses"]) == 4
    assert facts["config"]["penalty"] == 0.1


def test_a_flag_reaches_the_model(halfseen, table):
    words = ("fit", "descent", table, "--rank", 4, "--stop", 20, "--is-guarded", "false", "--held-out", 0, "--json")
    assert json.loads(halfseen(*words).stdout)["config"]["is_guarded"] is False
    words = ("fit", "factor", table, "--no-is-centred", "--penalty", "map", "--held-out", 0, "--json")
    assert json.loads(halfseen(*words).stdout)["config"]["is_centred"] is False


def test_quiet_prints_nothing(halfseen, quick, tmp_path):
    done = halfseen(*quick("-q", "-o", tmp_path / "run"))
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_a_fit_that_ran_away_is_not_saved_and_ends_with_one(halfseen, table, tmp_path, monkeypatch):
    plain = hs.AlternatingLeastSquares.predict
    monkeypatch.setattr(hs.AlternatingLeastSquares, "predict", lambda self, *a, **k: 1e9 * plain(self, *a, **k))
    done = halfseen("fit", "als", table, "--rank", 1, "-o", tmp_path / "run")
    assert done.exit_code == 1
    assert "has run away" in done.stderr
    assert "--family" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_fit_that_loses_to_the_column_means_says_so(halfseen, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.csv"
    path.write_text("u,f,r\n" + "".join(f"{i},{j},{rng.normal():.4f}\n" for i in range(40) for j in range(15)))
    done = halfseen("fit", "als", path, "--rank", 8, "--penalty", 0.001)
    assert done.exit_code == 0
    assert "no better than by the column means" in done.stderr


@pytest.mark.slow
def test_a_table_comes_from_standard_input(process):
    text = "u,f,r\n" + "".join(f"{i},{j},{i * j}\n" for i in range(8) for j in range(6) if i != j)
    done = process("fit", "als", "-", "--rank", 1, "--json", input=text)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["n_entries"] == text.count("\n") - 1


def test_trials_of_a_column_are_those_of_the_fit(halfseen, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=40), rng.normal(size=12)
    lines = []
    for i in range(40):
        for j in range(12):
            n = int(rng.integers(1, 9))
            lines.append(f"m{i},q{j},{rng.binomial(n, 1 / (1 + np.exp(-x[i] - y[j])))},{n}")
    path = tmp_path / "trials.csv"
    path.write_text("model,question,right,asked\n" + "\n".join(lines) + "\n")
    words = ("fit", "factor", path, "--trials", "asked", "--family", "bernoulli", "--rank", 1, "--penalty", "map")
    done = halfseen(*words, "-o", tmp_path / "run", "--held-out", 0)
    assert done.exit_code == 0, done.output
    R = hs.read_table(path, trials="asked")
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(R, trials=R.trials)
    saved = hs.load(tmp_path / "run" / "model.safetensors")
    np.testing.assert_allclose(saved.predict_table(), model.predict_table())
    judged = json.loads(halfseen(*words, "--json").stdout)["figures"][0]
    assert 0 < judged["rmse"] < 0.5, "errors are those of shares"


def test_a_docstring_gives_types_and_texts():
    found = documented('T.\n\nParameters\n----------\nrank : int or "auto", default=1\n    Number ``r``.\n    More.\n')
    assert found["rank"][:2] == ('int or "auto"', "Number r. More.")
