"""save and load: bit for bit, at once or not at all, and nothing damaged or foreign."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClusterMixin

import halfseen as hs
from halfseen.data import Observed, load, save, storable
from halfseen.data.storable import REGISTRY
from halfseen.losses import Gaussian
from halfseen.many import SourcesEstimator
from halfseen.many.predictions import SourcePredictions


@storable
@dataclass(frozen=True)
class ToyOptions:
    ridge: float = 0.5
    names: tuple[str, ...] = ("a",)
    table: np.ndarray | None = None
    derived: float = field(init=False, default=0.0)


@storable
class ToyModel(BaseEstimator):
    def __init__(self, rank: int = 2, options: ToyOptions | None = None, random_state: Any = None) -> None:
        self.rank = rank
        self.options = options
        self.random_state = random_state

    def fit(self, R: Any) -> ToyModel:
        rng = np.random.default_rng(self.random_state)
        self.weights_ = rng.normal(size=(50, 7))
        self.fortran_ = np.asfortranarray(rng.normal(size=(50, 7)))
        self.observed_ = R
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weights_.T @ self.fortran_


@storable
class Holder(BaseEstimator):
    """Carries any one attribute."""


def held(value: Any) -> Holder:
    holder = Holder()
    holder.value_ = value
    return holder


@pytest.fixture
def fitted() -> ToyModel:
    table = Observed.from_triplets(["ann", "bob"], ["tea", "jam"], np.float32([1, 2]), [1.0, 2.0])
    return ToyModel(3, ToyOptions(0.1, ("é", "b"), np.arange(3)), random_state=0).fit(table)


def test_a_loaded_model_predicts_bit_for_bit_what_the_saved_one_did(fitted, tmp_path):
    save(fitted, tmp_path / "m.halfseen")
    again = load(tmp_path / "m.halfseen")
    x = np.random.default_rng(1).normal(size=(20, 7))
    assert again.predict(x).tobytes() == fitted.predict(x).tobytes()
    assert type(again) is ToyModel
    assert again.fortran_.flags.f_contiguous
    assert again.options.names == ("é", "b")
    assert again.rank == 3
    np.testing.assert_array_equal(again.observed_.to_dense(), fitted.observed_.to_dense())
    assert again.observed_.row_labels.tolist() == ["ann", "bob"]
    assert again.observed_.dtype == np.float32
    assert not again.observed_.values.flags.writeable


VALUES = [
    None,
    True,
    -3,
    2**70,
    0.1,
    float("nan"),
    float("inf"),
    "text é \u2028 \x00",
    [1, [2.5, None]],
    (1, ("a",)),
    {"a": 1, 2: (3,), "nested": {"b": [np.float32(0.1)]}},
    np.float32(0.1),
    np.int64(7),
    np.bool_(True),
    np.datetime64("2020-01-02"),
    np.dtype("float32"),
    np.array(3.0),
    np.arange(6, dtype=np.int8).reshape(2, 3),
    np.arange(6.0)[::2],
    np.arange(24.0).reshape(2, 3, 4).transpose(2, 1, 0),
    np.empty((0, 3), np.float32),
    np.array([True, False]),
    np.array([1, 2], dtype=np.uint16),
    np.array([1.5], dtype=np.float16),
    np.array([1.5], dtype=">f8"),
    np.array(["a", "ünï", ""]),
    np.array(["a", "long" * 100], dtype=object),
    np.array([], dtype="U3"),
    np.array(["2020-01-02"], dtype="M8[D]"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{str(value)[:12]!r}")
def test_every_plain_value_comes_back_as_it_was(value, tmp_path):
    save(held(value), tmp_path / "v")
    again = load(tmp_path / "v").value_
    assert type(again) is type(value)
    if isinstance(value, np.ndarray):
        assert again.dtype == value.dtype.newbyteorder("=")
        assert again.shape == value.shape
    np.testing.assert_equal(again, value)


def test_one_array_held_twice_is_stored_once(tmp_path):
    array = np.random.default_rng(0).normal(size=10_000)
    save(held([array, array]), tmp_path / "v")
    assert (tmp_path / "v").stat().st_size < 1.2 * array.nbytes
    again = load(tmp_path / "v").value_
    assert again[0] is again[1]


@pytest.mark.parametrize(
    "value",
    [np.random.default_rng(0), np.sum, lambda x: x, object(), {1, 2}, np.array([object()]), 1j, np.array([1j])],
    ids=["generator", "function", "lambda", "object", "set", "objects", "complex number", "complex numbers"],
)
def test_what_cannot_be_stored_is_named_and_nothing_is_written(value, tmp_path):
    with pytest.raises(ValueError, match=r"Holder\.value_ .*cannot be stored|Holder\.value_ cannot be stored"):
        save(held(value), tmp_path / "v")
    assert list(tmp_path.iterdir()) == []


def test_a_generator_as_random_state_is_refused_by_name(tmp_path):
    model = ToyModel(random_state=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"ToyModel.random_state = .* int or None for random_state"):
        save(model, tmp_path / "m")


def test_only_known_classes_are_saved(tmp_path):
    class Unknown(BaseEstimator):
        pass

    @dataclass(frozen=True)
    class Plain:
        x: int = 1

    for model, text in (
        (Unknown(), "Unknown cannot be stored: only public estimators"),
        (held(Plain()), r"Plain is neither.* must be a frozen dataclass .* halfseen\.data\.storable\.storable"),
    ):
        with pytest.raises(ValueError, match=text):
            save(model, tmp_path / "m")
    with pytest.raises(ValueError, match="'ToyModel' is registered already"):
        storable(type("ToyModel", (), {"__module__": "elsewhere"}))


def test_a_loss_of_ones_own_is_stored_once_it_is_a_registered_frozen_dataclass(tmp_path):
    @dataclass(frozen=True)
    class Capped(Gaussian):
        """A squared error, by another name."""

    model = hs.GeneralizedFactorModel(1, Capped(), penalty="map", random_state=0).fit(np.eye(4) + 1)
    with pytest.raises(ValueError, match=r"GeneralizedFactorModel\.family = .*Capped.* decorator halfseen"):
        save(model, tmp_path / "m")
    storable(Capped)
    try:
        save(model, tmp_path / "m")
        np.testing.assert_array_equal(load(tmp_path / "m").predict_table(), model.predict_table())
    finally:
        REGISTRY.pop("Capped")


def test_a_failed_save_leaves_the_old_file_and_no_rest(fitted, tmp_path, monkeypatch):
    file = tmp_path / "m"
    save(fitted, file)
    before = file.read_bytes()

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.numpy.save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        save(ToyModel().fit(None), file)
    monkeypatch.undo()
    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        save(ToyModel().fit(None), file)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert file.read_bytes() == before


def test_the_file_has_the_permissions_any_new_file_gets(fitted, tmp_path):
    save(fitted, tmp_path / "m")
    (tmp_path / "plain").touch()
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.fixture
def stored(fitted, tmp_path) -> Path:
    save(fitted, tmp_path / "m")
    return tmp_path / "m"


@pytest.mark.parametrize("kept", [1, 9, 12, 300, 2000, -1, -1000])
def test_a_truncated_file_is_refused(stored, kept):
    stored.write_bytes(stored.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"is cut off|is not a halfseen model"):
        load(stored)


def test_every_changed_byte_is_noticed(stored):
    data = stored.read_bytes()
    rng = np.random.default_rng(0)
    for position in [*range(0, 40), *rng.integers(0, len(data), 200).tolist()]:
        changed = bytearray(data)
        changed[position] ^= 0x15
        stored.write_bytes(changed)
        with pytest.raises(ValueError, match=str(stored)):
            load(stored)


def test_foreign_files_are_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.eye(2)}, str(tmp_path / "other"), metadata={"format": "pt"})
    (tmp_path / "text").write_text("rank,2\nfamily,gaussian\n")
    (tmp_path / "pickle").write_bytes(b"\x80\x04\x95" + bytes(100))
    (tmp_path / "json").write_text('{"format": "halfseen model"}')
    (tmp_path / "empty").touch()
    texts = {"other": "safetensors file of something else", "empty": "is empty"}
    for name in ("other", "text", "pickle", "json", "empty"):
        with pytest.raises(ValueError, match=texts.get(name, "is not a halfseen model")):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        save(ToyModel(), tmp_path / "no" / "m")


def edit(file: Path, **changes: str) -> None:
    """Change metadata of a stored file."""
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] |= changes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def test_a_newer_format_is_refused_with_the_way_out(stored):
    edit(stored, format_version="2", halfseen_version="9.1")
    with pytest.raises(ValueError, match=r"is newer: format 2, written by halfseen 9.1; .* Upgrade halfseen"):
        load(stored)


def test_a_class_this_version_lacks_is_named(fitted, tmp_path, monkeypatch):
    save(fitted, tmp_path / "m")
    monkeypatch.delitem(REGISTRY, "ToyModel")
    with pytest.raises(ValueError, match=r"holds a 'ToyModel' of halfseen .* this version does not have"):
        load(tmp_path / "m")
    monkeypatch.undo()
    monkeypatch.delitem(REGISTRY, "ToyOptions")
    with pytest.raises(ValueError, match="does not fit this version: it holds a 'ToyOptions'"):
        load(tmp_path / "m")


OF_THEIR_OWN = (SourcesEstimator, SourcePredictions, ClusterMixin, hs.Imputer)


def public_estimators() -> list[Any]:
    """Every public estimator of one table; many sources, pairs and the transformer have tests of their own."""
    made = []
    for name in hs.__all__:
        try:
            cls = getattr(hs, name)
        except (ImportError, AttributeError):
            continue
        if isinstance(cls, type) and issubclass(cls, BaseEstimator) and not issubclass(cls, OF_THEIR_OWN):
            made.append(cls)
    return made


@pytest.mark.fast_cases(
    "AlternatingLeastSquares", "BiasModel", "ColumnMean", "GeneralizedFactorModel", "OneSidedCompletion", "SoftImpute"
)
@pytest.mark.parametrize("cls", public_estimators(), ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore:.*compiled kernels:RuntimeWarning")
def test_every_public_estimator_is_the_same_after_a_round_trip(cls, tmp_path):
    family = "bernoulli" if cls().get_params().get("family") == "bernoulli" else "gaussian"
    data = hs.datasets.make_factor_data(30, 20, rank=1, family=family, observed=0.6, random_state=0)
    labelled = Observed(data.observed.by_rows, [f"u{k}" for k in range(30)], None)
    parameters = {"random_state": 0} if "random_state" in cls().get_params() else {}
    if "activation" in cls().get_params():
        parameters["activation"] = "linear"  # units that predict no negative numbers warn of these
    model = cls(**parameters).fit(labelled)
    save(model, tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.predict_table().tobytes() == model.predict_table().tobytes()
    assert again.predict(["u3"], [4]).tobytes() == model.predict(["u3"], [4]).tobytes()
    assert again.predict(labelled).tobytes() == model.predict(labelled).tobytes()
    # answers stay with the data (ItemResponseModel); the fit of its items, which needs them, is stored
    assert set(vars(again)) - {"kept_fit_"} == set(vars(model)) - {"answers_", "kept_fit_"}
    assert repr(again) == repr(model)
