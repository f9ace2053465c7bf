"""Fitted models as files: safetensors for arrays, JSON for the rest; checked on the way in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from halfseen.data.storable import REGISTRY
from halfseen.data.tree import Packer, Unpacker

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
    from safetensors.numpy import save_file

    name = type(model).__name__
    if _find_class(name) is not type(model):
        raise ValueError(
            f"{type(model).__module__}.{name} cannot be stored: only public estimators of halfseen and classes "
            "registered with the decorator halfseen.data.storable.storable can be loaded again"
        )
    packer = Packer()
    state = {key: packer.pack(value, f"{name}.{key}") for key, value in vars(model).items()}
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
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.tmp"
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        save_file(packer.tensors, str(temporary), metadata=metadata)
        temporary.chmod(mode)  # safetensors makes files private to the user, against their umask
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model that `save` wrote; it predicts bit for bit what the saved one did.

    Parameters
    ----------
    path : path

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If the file is cut off, damaged, not a halfseen model, or written by a newer format; the text says which.

    Notes
    -----
    Only plain data and registered classes are rebuilt: loading a file from a stranger runs no code of theirs.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"no such file: {file}")
    metadata = _checked_header(file)
    try:
        tensors = load_file(str(file))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if _checksum(metadata, tensors) != metadata["checksum"]:
        raise ValueError(f"{file} is damaged: its contents do not match their checksum")
    name, version = metadata["class"], metadata["halfseen_version"]
    cls = _find_class(name)
    if cls is None:
        raise ValueError(f"{file} holds a {name!r} of halfseen {version}, which this version does not have")
    try:
        unpacker = Unpacker(tensors)
        state = {key: unpacker.unpack(node) for key, node in json.loads(metadata["state"]).items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{file} was written by halfseen {version} and does not fit this version: {error}") from error
    model = cls.__new__(cls)
    vars(model).update(state)
    return model


def _find_class(name: str) -> Any:
    """Return the registered or public class of a name, or None."""
    if name in REGISTRY:
        return REGISTRY[name]
    halfseen = import_module("halfseen")
    if name in halfseen.__all__:
        named = getattr(halfseen, name)
        return named if isinstance(named, type) else None
    public = (getattr(halfseen, word) for word in halfseen.__all__)
    modules = (module for module in public if isinstance(module, ModuleType) and name in getattr(module, "__all__", ()))
    return next((getattr(module, name) for module in modules), None)


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
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
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
    return metadata


def _check_version(file: Path, metadata: dict[str, str]) -> None:
    version = metadata.get("format_version", "")
    if not version.isdigit():
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
