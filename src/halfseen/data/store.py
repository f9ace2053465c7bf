"""Fitted models as files: safetensors for arrays, JSON for the rest; checked on the way in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from halfseen._typing import FittedModel
from halfseen.data.observed import Observed
from halfseen.data.storable import find_class
from halfseen.data.tree import Packer, Unpacker, kept_of

FORMAT = "halfseen model"
FORMAT_VERSION = 1
CHECKED = ("format", "format_version", "halfseen_version", "class", "state")


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file.

    Parameters
    ----------
    model : estimator
        A public estimator of halfseen (or a class registered with `storable`), fitted or not.
    path : path
        Written at once: first a temporary file in the same folder, then a rename. An existing file is replaced only
        when the new one is complete.

    Raises
    ------
    ValueError
        If the class or one of the attributes cannot be stored; the attribute is named. Nothing is written then.
        A loss of your own can be stored when it is a frozen dataclass under the decorator `storable`.
    OSError
        Naming the file, if it cannot be written (no room, no permission); an older model there is left as it is.

    Notes
    -----
    The format is safetensors: arrays keep dtype and memory order; its metadata holds the format version, the version
    of halfseen, the class name, parameters and attributes as JSON, and a checksum. No code is stored.

    Examples
    --------
    >>> import os, tempfile, halfseen as hs
    >>> file = os.path.join(tempfile.mkdtemp(), "means.halfseen")
    >>> model = hs.ColumnMean().fit([[1.0, 2.0], [3.0, float("nan")]])
    >>> hs.save(model, file)
    >>> hs.load(file).predict([1], [1]).tolist()
    [2.0]
    """
    name = type(model).__name__
    if find_class(name) is not type(model):
        raise ValueError(
            f"{type(model).__module__}.{name} cannot be stored: only public estimators of halfseen and classes "
            "registered with the decorator halfseen.data.storable.storable can be loaded again"
        )
    packer = Packer()
    state = {key: packer.pack(value, f"{name}.{key}") for key, value in kept_of(model).items()}
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "halfseen_version": import_module("halfseen").__version__,
        "class": name,
        "state": json.dumps(state, allow_nan=False),
    }
    metadata["checksum"] = _checksum(metadata, packer.tensors)
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist; make it first")
    temporary = target.parent / f".{target.name[:100]}.{uuid.uuid4().hex}.tmp"
    try:
        with _named(target):
            _write(temporary, packer.tensors, metadata)
            os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    _sync_folder(target.parent)


def _write(file: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write a new file, down to the disk."""
    from safetensors.numpy import save_file

    file.touch(exist_ok=False)
    mode = file.stat().st_mode
    save_file(tensors, str(file), metadata=metadata)
    file.chmod(mode)  # safetensors makes files private to the user, against their umask
    with file.open("rb+") as written:
        os.fsync(written.fileno())


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    """Errors of the system name the file that the user asked for; those of safetensors become errors of the system."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        code = re.search(r"(?:os error |Os \{ code: )(\d+)", str(error))  # the second: before version 0.6
        if code is None:
            raise OSError(f"{target} cannot be written: {error}") from error
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(target)) from error
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error


def load(path: str | os.PathLike[str]) -> FittedModel:
    """Read a model that `save` wrote; it predicts bit for bit what the saved one did.

    Parameters
    ----------
    path : path

    Returns
    -------
    estimator
        Of the class that was saved; type checkers learn which by ``assert isinstance(model, hs.SoftImpute)``.

    Raises
    ------
    ValueError
        If the file is cut off, damaged, not a halfseen model, or written by a newer format; the text says which.

    Notes
    -----
    Only plain data and registered classes are rebuilt: loading a file from a stranger runs no code of theirs. Kinds,
    shapes and lengths are compared with each other, and the first and the last cell are predicted once: a file that
    does not fit together is refused here and not at its first use.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"no such file: {file}")
    metadata = _checked_header(file)
    try:
        tensors = load_file(str(file))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if _checksum(metadata, tensors) != metadata["checksum"]:
        raise ValueError(f"{file} is damaged: its contents do not match their checksum")
    name, version = metadata["class"], metadata["halfseen_version"]
    if find_class(name) is None:
        raise ValueError(f"{file} holds a {name!r} of halfseen {version}, which this version does not have")
    try:
        model: FittedModel = Unpacker(tensors).estimator(name, json.loads(metadata["state"]))
        _probe(model)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError, OverflowError, IndexError) as error:
        raise ValueError(f"{file} was written by halfseen {version} and does not fit this version: {error}") from error
    return model


def _probe(model: Any) -> None:
    """Predict the first and the last cell of a fitted model: parts of other shapes or kinds fail now.

    So it does with the models that it holds.
    """
    for part in vars(model).values():
        if hasattr(part, "get_params"):
            _probe(part)
    corners = _corners(model)
    if corners is None or getattr(model, "stored_rows_", None) is not None:  # rows in a folder: read when asked
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="ignore"):
                numbers = corners()
    except ImportError:  # made by a library that is not here: its use will say so
        return
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"its parts do not fit each other: {type(error).__name__}: {error}") from error
    if any(np.asarray(predicted).dtype.kind != "f" or np.shape(predicted)[:1] != (2,) for predicted in numbers):
        raise ValueError("its parts do not fit each other: it does not predict one number per cell")


def _corners(model: Any) -> Any:
    """What predicts the first and the last cell of every table of a model, or None if it predicts no cells."""
    state = vars(model)
    shape = state.get("observed_shape_")
    if shape is not None and hasattr(model, "predict"):
        rows, cols = _ends(state.get("row_labels_"), shape[0]), _ends(state.get("col_labels_"), shape[1])
        if "row_factors_" in state and state["row_factors_"] is None:  # it keeps no rows, and predicts new ones only
            return lambda: _of_new_rows(model, _two_rows(shape[1], state.get("col_labels_")), rows, cols)
        return lambda: [model.predict(rows, cols)]
    names = state.get("source_names_")
    if names is None or not hasattr(model, "predict_entries"):
        return None

    def corners() -> list[Any]:
        rows, predictions = _ends(model.row_labels_, model.n_rows_), []
        for name in names:
            labels = model.col_labels_[name]
            length = model._n_columns(name) if labels is None else len(labels)
            predictions.append(model.predict_entries(name, rows, _ends(labels, length)))
        return predictions

    return corners


def _of_new_rows(model: Any, table: Observed, rows: Any, cols: Any) -> list[Any]:
    """Predictions for new rows by a model without rows; asked for rows of its own, it has to say that it keeps none."""
    with contextlib.suppress(ValueError):
        model.predict(rows, cols)
    return [model.predict(table)]


def _two_rows(n_cols: int, labels: Any) -> Observed:
    """Two rows, of which the first and the last column were seen."""
    return Observed.from_triplets([0, 1], [0, n_cols - 1], [1.0, 1.0], shape=(2, n_cols), col_labels=labels)


def _ends(labels: Any, length: int) -> Any:
    """The first and the last label of an axis, or their positions."""
    return [0, length - 1] if labels is None else labels[[0, length - 1]]


def _checksum(metadata: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update("\n".join(metadata[key] for key in CHECKED).encode())
    for key in sorted(tensors):
        array = tensors[key]
        digest.update(f"\n{key} {array.dtype.str} {array.shape}\n".encode())
        if array.size:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _checked_header(file: Path) -> dict[str, str]:
    """Return the metadata of a file that is complete and ours, or say what is wrong with it."""
    size = file.stat().st_size
    with file.open("rb") as source:
        head = source.read(10)
        length = int.from_bytes(head[:8], "little")
        if size == 0:
            raise ValueError(f"{file} is empty (0 bytes)")
        if size < 10 or head[8:10] != b'{"':
            raise ValueError(f"{file} is not a halfseen model (nor any safetensors file)")
        if length + 8 > size:
            raise ValueError(f"{file} is cut off: it has {size} bytes, its header alone needs {length + 8}")
        source.seek(8)
        text = source.read(length)
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(f"{file} is damaged: its header cannot be read ({error})") from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"{file} is not a halfseen model: it is a safetensors file of something else")
    _check_version(file, metadata)
    if 8 + length + end != size:
        what = "cut off" if size < 8 + length + end else "damaged"
        raise ValueError(f"{file} is {what}: it has {size} bytes, {8 + length + end} are needed")
    missing = {*CHECKED, "checksum"} - set(metadata)
    if missing:
        raise ValueError(f"{file} is damaged: {sorted(missing)} are missing from its metadata")
    if not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError(f"{file} is damaged: its metadata must be text")
    return metadata


def _check_version(file: Path, metadata: dict[str, str]) -> None:
    version = metadata.get("format_version", "")
    if not (isinstance(version, str) and version.isdecimal() and len(version) < 9):
        raise ValueError(f"{file} is damaged: its format version is {version!r}")
    if int(version) > FORMAT_VERSION:
        raise ValueError(
            f"{file} is newer: format {version}, written by halfseen {metadata.get('halfseen_version')}; "
            f"this halfseen reads up to format {FORMAT_VERSION}. Upgrade halfseen to load it"
        )


def _sync_folder(folder: Path) -> None:
    """Make the rename durable where the system can sync folders."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
