"""Read a pickle without running any of its code: tensors, arrays and plain values are rebuilt, all else is refused.

NVIDIA's StyleGAN2 files (stylegan2-ada-pytorch, stylegan3) are plain pickles that carry Python source and expect it to
be executed. Here `find_class` knows a short table of inert stand-ins; a name outside the table is refused by name
before anything is called, and a "persistent" network becomes a `Record` of its state.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from suite.errors import SuiteError

# Modules in modules; StyleGAN2 has four levels.
DEEPEST = 32


class RefusedName(pickle.UnpicklingError):
    """The pickle asks for a callable that is not in the table. `name` is `module.name`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Record:
    """What is left of a persistent object: its class's name and its state. The source code that it carries is dropped.

    Attributes:
        class_name: e.g. `"Generator"`.
        state: attributes as stored; for a module `_parameters`, `_buffers`, `_modules` and constructor values.
    """

    __slots__ = ("class_name", "state")

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.class_name = class_name
        self.state = state

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and buffers of this module and those below it, under their dotted names.

        Raises:
            UnpicklingError: modules that hold each other, or attributes that are no module's.
        """
        out: dict[str, Tensor] = {}
        for group in ("_parameters", "_buffers"):
            for name, value in self.children(group).items():
                if isinstance(value, Tensor):
                    out[prefix + str(name)] = value.detach()
        if prefix.count(".") > DEEPEST:
            raise pickle.UnpicklingError("modules that hold each other")
        for name, below in self.children("_modules").items():
            if isinstance(below, Record):
                out |= below.tensors(f"{prefix}{name}.")
        return out

    def children(self, group: str) -> Mapping[str, Any]:
        """The entries of `_parameters`, `_buffers` or `_modules`."""
        held = self.state.get(group, {})
        if not isinstance(held, Mapping):
            raise pickle.UnpicklingError(f"{group} is a {type(held).__name__}")
        return held


class _Inert:
    """Calls one function when the pickle says REDUCE; BUILD on it (a way to tamper with a function) is refused."""

    __slots__ = ("_call", "_name")

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self._name = name
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: object) -> None:
        raise RefusedName(f"a change to {self._name}")


class _Dtype:
    """A NumPy dtype of plain numbers."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, *_: object) -> None:
        name = str(code)
        if name[:1] not in "fiub" or not name[1:].isdigit():
            raise RefusedName(f"numpy.dtype({name!r})")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1] if len(state) > 1 else "|"
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder("<" if order == "<" else ">")


class _Array:
    """A NumPy array of plain numbers; it becomes real when its state arrives."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Dtype) or not isinstance(data, bytes):
            raise RefusedName("a NumPy array of objects")
        flat = np.frombuffer(data, kind.dtype)
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    if not isinstance(storage, torch.storage.TypedStorage):
        raise pickle.UnpicklingError("a tensor without its storage")
    # The typed wrapper warns at every use; the bytes beneath it are what is needed.
    data = storage._untyped_storage
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    held = data.nbytes() // torch.empty(0, dtype=storage.dtype).element_size()
    # set_() would silently enlarge a storage that is too small.
    if min((offset, *size, *stride)) < 0 or (0 not in size and last >= held):
        raise pickle.UnpicklingError("a tensor larger than its storage")
    return torch.empty(0, dtype=storage.dtype).set_(data, offset, size, stride)


def _storage(data: bytes) -> Any:
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # PyTorch's message recommends to run the code after all.
        raise RefusedName("a storage that is more than numbers") from None


def _persistent(meta: dict[str, Any]) -> Record:
    return Record(str(meta["class_name"]), dict(meta["state"]))


def _scalar(kind: _Dtype, data: bytes) -> Any:
    if not isinstance(kind, _Dtype) or not isinstance(data, bytes):
        raise RefusedName("a NumPy scalar of objects")
    return np.frombuffer(data, kind.dtype)[0].item()


_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_TABLE: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
    "dnnlib.util.EasyDict": dict,
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Inert("numpy.ndarray", lambda *_: _Array()),
    **{f"{room}._reconstruct": _Inert("numpy._reconstruct", lambda *_: _Array()) for room in _ARRAYS},
    **{f"{room}.scalar": _Inert("numpy.scalar", _scalar) for room in _ARRAYS},
    "torch._utils._rebuild_tensor_v2": _Inert("torch._utils._rebuild_tensor_v2", _tensor),
    "torch._utils._rebuild_parameter": _Inert("torch._utils._rebuild_parameter", lambda data, *_: data),
    "torch.storage._load_from_bytes": _Inert("torch.storage._load_from_bytes", _storage),
    "torch_utils.persistence._reconstruct_persistent_obj": _Inert("torch_utils.persistence", _persistent),
}


class _TensorsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _TABLE[f"{module}.{name}"]
        except KeyError:
            raise RefusedName(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedName("an object stored outside the file")


# What a damaged or hostile stream can make the reader raise; none of these has called anything outside the table.
_DAMAGE = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError)


def read_tensors_only(source: BinaryIO, name: str) -> Any:
    """The value of a pickle, rebuilt from tensors, arrays of numbers, containers, plain values and `Record`s.

    Args:
        source: an open binary file.
        name: what to call the file in messages.

    Raises:
        SuiteError: the pickle asks for anything else (named), or is damaged. Nothing of it has been executed.
    """
    try:
        return _TensorsOnly(source).load()
    except RefusedName as refused:
        raise SuiteError(
            f"{name}: refused, this pickle asks for {refused.name}; only tensors and plain values are read "
            "and no code was run"
        ) from None
    except (*_DAMAGE, MemoryError, OverflowError, UnicodeDecodeError, ImportError) as error:
        raise SuiteError(
            f"{name}: a truncated or damaged pickle ({type(error).__name__}: {error}); fetch it again"
        ) from None
