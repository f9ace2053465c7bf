"""``halfseen fit moment``: from a file of thin rows to second moments with errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs


@pytest.fixture
def visits(tmp_path):
    """4000 rows of three of 12 columns each, two factors, in random order."""
    rng = np.random.default_rng(0)
    L = rng.normal(size=(12, 2))
    cols = np.argsort(rng.random((4000, 12)), axis=1)[:, :3].ravel()
    rows = np.repeat(np.arange(4000), 3)
    values = np.einsum("ek,ek->e", rng.normal(size=(4000, 2))[rows], L[cols]) + 0.3 * rng.normal(size=12000)
    order = rng.permutation(12000)
    path = tmp_path / "visits.csv"
    lines = [f"u{rows[k]},s{cols[k]:02},{values[k]:.6f}" for k in order]
    path.write_text("user,shop,spent\n" + "\n".join(lines) + "\n")
    return path, L


def words(path, *more):
    return ["fit", "moment", path, "--row", "user", "--col", "shop", "--value", "spent", *more]


def test_it_leaves_a_model_a_record_and_pictures(halfseen, visits, tmp_path):
    path, L = visits
    result = halfseen(*words(path, "--rank", "1,2,3", "-o", tmp_path / "run"))
    assert result.exit_code == 0, result.output
    names = {file.name for file in (tmp_path / "run").iterdir()}
    assert names == {"model.safetensors", "run.json", "details.json", "fit.png", "second_moment.png"}
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["rank"] == 2
    assert facts["data"]["n_rows"] == 4000
    assert len(facts["intervals"]["eigenvalues_low"]) == 2
    model = hs.load(tmp_path / "run" / "model.safetensors")
    T = L @ L.T
    assert np.linalg.norm(model.second_moment() - T) < 0.25 * np.linalg.norm(T)
    assert model.col_labels_.tolist() == [f"s{k:02}" for k in range(12)]
    for text in ("per row 3.00", "rank 2 of 1, 2, 3", "degrees of the true one", "interval"):
        assert text in " ".join(result.output.split())


def test_json_is_one_object_and_errors_can_be_left_out(halfseen, visits):
    result = halfseen(*words(visits[0], "--rank", 2, "--no-errors", "--json"))
    facts = json.loads(result.output)
    assert "intervals" not in facts
    assert "choice" not in facts
    assert facts["summary"][0]["items"]["pairs of columns seen together"] == "100 %"


def test_blocks_give_what_the_whole_table_gives(halfseen, visits):
    found = json.loads(halfseen(*words(visits[0], "--rank", 2, "--json")).output)
    table = hs.read_table(visits[0], row="user", col="shop", value="spent")
    model = hs.OneSidedCompletion(2, random_state=0).fit(table)
    _, components, noise, *_ = found["summary"]
    sizes = {column["title"]: column.get("values") for column in components["columns"]}
    np.testing.assert_allclose(sizes["eigenvalue"], model.eigenvalues_, rtol=1e-4)
    assert noise["items"] == {"variance that no factor explains": f"{model.psi_:.3g} per column"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--rank", "0"), "--rank '0' is not allowed"),
        (("--rank", "two"), "--rank 'two' is not allowed"),
        (("--rank", "1,x"), "--rank 'x' is not allowed"),
        (("--level", "2"), "must lie between 0 and 1"),
        (("--weight", "spent"), "--weight has no meaning for pairs"),
        (("--image", "3x4"), "--image has no meaning here"),
    ],
)
def test_bad_words_end_with_one_line(halfseen, visits, more, message):
    result = halfseen(*words(visits[0], *more))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_rows_of_one_entry_each_end_with_one_line(halfseen, tmp_path):
    (tmp_path / "thin.csv").write_text("user,shop,spent\n" + "\n".join(f"u{k},s{k % 3},1" for k in range(9)) + "\n")
    result = halfseen(*words(tmp_path / "thin.csv", "--rank", 1))
    assert result.exit_code == 2
    assert "none of the 9 rows has two entries" in " ".join(result.output.split())


def test_a_data_set_is_taken_by_name(halfseen):
    result = halfseen("fit", "moment", "digits", "--rank", 8, "--no-errors", "--json")
    assert json.loads(result.output)["data"]["n_cols"] == 64
