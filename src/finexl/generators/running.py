"""What holds while a model on torch is opened and runs: quiet, repeatable, frank about memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from finexl import devices
from finexl.errors import FinexlError, PrerequisiteError, UsageError
from finexl.generators.base import OutOfMemoryError

DTYPES = ("float32", "float16", "bfloat16")
Made = TypeVar("Made")


@contextmanager
def alike(device: str, seed: int, dtype: str) -> Iterator[None]:
    """Make what is drawn and computed the same each time, for as long as this takes.

    Noise in half precision is not for every shape the same one rounded; it is drawn in float32.
    What a scheduler draws by no generator of ours is seeded by the batch's first image.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Rounded(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            given = dict(kwargs or {})
            wanted = given.get("dtype")
            if function is torch.randn and wanted in (torch.float16, torch.bfloat16):
                return function(*args, **{**given, "dtype": torch.float32}).to(wanted)
            return function(*args, **given)

    with ExitStack() as stack:
        on_gpu = device.startswith("cuda")
        here = [device] if on_gpu else []
        stack.enter_context(torch.random.fork_rng(devices=here))
        torch.manual_seed(seed)
        if on_gpu:
            stack.enter_context(torch.backends.cudnn.flags(True, False, deterministic=True))
        if dtype != "float32":
            stack.enter_context(Rounded())
        yield


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the libraries' bars, advice and deprecations off the terminal."""
    import diffusers
    import transformers

    with (
        devices.quietly(diffusers, transformers),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def opening(name: str, device: str) -> Iterator[None]:
    """Open a model quietly; whatever goes wrong is said in one sentence.

    Raises:
        PrerequisiteError: something is not installed, or the memory is not enough.
        UsageError: its files cannot be opened.
    """
    try:
        with quietly():
            yield
    except FinexlError:
        raise
    except ImportError as error:  # their own sentences name what is missing
        raise PrerequisiteError(f"{name} cannot be opened: {first_line(error)}") from error
    except Exception as error:  # damaged files fail in every way
        if out_of_memory(error):
            raise PrerequisiteError(
                f"{name} does not fit into the memory of {device}; try half precision, "
                "offloading, or a smaller model."
            ) from error
        raise UsageError(f"{name} cannot be opened: {first_line(error)}") from error


def precision(device: str, wide: bool = True) -> str:
    """Return the precision where none is asked for: single on a processor, half elsewhere.

    Args:
        device: where it is computed.
        wide: take the half precision of wider range where there is one.
    """
    if device == "cpu":
        return "float32"
    import torch

    has_wide = device.startswith("cuda") and torch.cuda.is_bf16_supported()
    return "bfloat16" if wide and has_wide else "float16"


def made_within(make: Callable[[], Made], name: str, device: str, count: int) -> Made:
    """Return what a model makes of one batch.

    Args:
        make: makes it.
        name: the model's.
        device: where it computes.
        count: how many images there are in the batch.

    Raises:
        OutOfMemoryError: fewer at once may fit; what filled the memory has been given back.
        UsageError: it cannot make them so.
    """
    try:
        return make()
    except FinexlError:
        raise
    except Exception as error:  # a model is made of many libraries
        if not out_of_memory(error):
            raise UsageError(f"{name} cannot make images so: {first_line(error)}") from error
    # only here, where the error no longer holds what filled the memory
    release(device)
    raise OutOfMemoryError(
        f"The memory of {device} is not enough for {count} images of {name} at once."
    )


def check_precision(asked: str | None) -> None:
    """Refuse a precision that there is none of.

    Raises:
        UsageError: which there are.
    """
    if asked not in (None, *DTYPES):
        raise UsageError(f"{asked!r} is no precision; give one of {', '.join(DTYPES)}.")


def versions() -> Mapping[str, str]:
    """Return the versions of the libraries whose code decides what a model makes."""
    names = ("torch", "diffusers", "transformers", "peft", "accelerate")
    return {name: version(name) for name in names if find_spec(name) is not None}


def release(device: str) -> None:
    """Give back what a device's memory holds for nothing."""
    if not device.startswith(("cuda", "mps")):
        return  # what computes on a processor may need no torch at all
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    else:
        torch.mps.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether this says that memory was not enough, in whichever library's words."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("out of memory", "allocate memory", "not enough memory")
    )


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, cut short."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
