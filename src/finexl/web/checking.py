"""Pictures from anywhere, decoded once in a process of its own that may do little else.

Whatever a decoder is made to do by a picture that was crafted for it ends with that process: it
writes no file, and its memory and its time are limited.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from finexl.errors import UsageError
from finexl.web.settings import Limits

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""What may be uploaded, by suffix."""
_LONGEST_ANSWER = 10_000
_ENDED = "The pictures could not be decoded within the limits of memory and time."


def check_pictures(paths: Sequence[Path], limits: Limits) -> None:
    """Decode every picture in a process of its own; keep nothing of it.

    Raises:
        UsageError: one is no picture of these formats, damaged, or too large, or they cannot be
            decoded within the limits.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_decode, args=(list(paths), limits, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(limits.decoding_seconds):
            raise UsageError(_ENDED)
        # bytes, not an object: what a picture may have taken over is not believed
        answer = json.loads(ours.recv_bytes(_LONGEST_ANSWER))
    except (EOFError, OSError, ValueError) as error:
        raise UsageError(_ENDED) from error
    finally:
        process.kill()
        process.join()
        ours.close()
    if answer is not None:
        raise UsageError(str(answer))


def _decode(paths: Sequence[Path], limits: Limits, answer: Connection) -> None:
    """Say what is wrong with the first picture that has something wrong with it, else null."""
    confine(limits)
    from PIL import Image

    from finexl.images import ImageError, load_image, printable

    Image.MAX_IMAGE_PIXELS = None  # ours is looked up before decoding
    for path in paths:
        wrong = None
        try:
            with Image.open(path, formats=tuple(dict.fromkeys(FORMATS.values()))) as image:
                pixels = image.width * image.height
            if pixels > limits.pixels:
                most = limits.pixels / 1e6
                wrong = f"it has {pixels / 1e6:,.1f} megapixels and the most is {most:.0f}"
            else:
                load_image(path)
        except ImageError as error:
            wrong = str(error).partition(": ")[2].rstrip(".")
        except Exception:  # decoders raise nearly every kind on bad bytes
            wrong = "it is no PNG, JPEG or WebP, or is damaged"
        if wrong is not None:
            answer.send_bytes(json.dumps(f"{printable(path.name)}: {wrong}.").encode())
            return
    answer.send_bytes(b"null")


def confine(limits: Limits) -> None:
    """Take from this process, for good, what decoding does not need; on Windows nothing."""
    try:
        import resource
    except ImportError:
        return
    seconds, size = limits.decoding_seconds, _address_space() + limits.decoding_bytes
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, size),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # not every system has every one
            resource.setrlimit(what, (most, most))


def _address_space() -> int:
    """Return what this process has mapped already: numerical libraries map much on many cores."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGESIZE")
