"""A model card on the Hugging Face hub: read, and written back only where nobody changed it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.errors import FinexlError, PrerequisiteError, UsageError
from finexl.images import printable
from finexl.report.card import read_card

CARD = "README.md"
INSTALL = "pip install huggingface_hub"
LOG_IN = "run `hf auth login`, or set HF_TOKEN to a token that may write there"
MESSAGE = "Say what this model changes (FineXL)"


@dataclass(frozen=True)
class Published:
    """A card as it is on the hub."""

    repo: str
    revision: str
    """The commit it was read at."""
    text: str
    """ "" where the model has no card yet."""


def fetch(repo: str) -> Published:
    """Return a model's card.

    Raises:
        UsageError: no hub id, or no such model.
        PrerequisiteError: huggingface_hub, a token or the hub is missing.
    """
    hub = _hub()
    with _failures(repo):
        api = hub.HfApi()
        model = api.model_info(repo)
        if CARD not in (file.rfilename for file in model.siblings or ()):
            return Published(repo, model.sha, "")
        path = api.hf_hub_download(repo, CARD, revision=model.sha)
    return Published(repo, model.sha, read_card(Path(path)))


def push(before: Published, card: str) -> str:
    """Put a card in the place of the one that was read, and return the commit's address.

    Raises:
        UsageError: the hub refuses the metadata, or the model was changed since it was read.
        PrerequisiteError: huggingface_hub, a token or the hub is missing.
    """
    hub = _hub()
    with _failures(before.repo), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the hub's advice on metadata
        commit = hub.HfApi().upload_file(
            path_or_fileobj=card.encode(),
            path_in_repo=CARD,
            repo_id=before.repo,
            commit_message=MESSAGE,
            parent_commit=before.revision,
        )
    return str(commit.commit_url)


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise PrerequisiteError(f"Pushing a card needs the hub's client: {INSTALL}") from error
    if huggingface_hub.get_token() is None:
        raise PrerequisiteError(f"Pushing a card needs you to be logged in: {LOG_IN}.")
    return huggingface_hub


@contextmanager
def _failures(repo: str) -> Iterator[None]:
    """Say in one sentence why the hub did not do it.

    What it answered is not passed on, not even to --debug: a server may repeat the token to us.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError as error:
        raise UsageError(f"{repo!r} is no hub id; one is written owner/name.") from error
    except errors.RepositoryNotFoundError:
        raise UsageError(
            f"The hub has no model {repo}, or hides it from this token; make it first with "
            f"`hf repo create {repo}`, or {LOG_IN}."
        ) from None
    except errors.HfHubHTTPError as error:
        raise _refusal(repo, getattr(error.response, "status_code", 0)) from None
    except errors.OfflineModeIsEnabled as error:
        raise PrerequisiteError("HF_HUB_OFFLINE is set; unset it to push a card.") from error
    except ValueError as error:  # what the hub says of metadata before it takes them
        said = printable(" ".join(str(error).split()))
        raise UsageError(f"The hub refuses the card: {_without_token(said)}") from None
    except FinexlError:
        raise
    except Exception:  # from whichever HTTP library the hub's client is built on
        raise PrerequisiteError(f"The hub cannot be reached to change {repo}.") from None


def _refusal(repo: str, status: int) -> FinexlError:
    if status in (401, 403):
        return PrerequisiteError(f"The hub allows no writing to {repo}: {LOG_IN}.")
    if status == 412:
        return UsageError(
            f"{repo} was changed on the hub since its card was read, so that nothing was pushed; "
            "run this again to see the change."
        )
    return FinexlError(f"The hub did not do it (status {status}); try again later.")


def _without_token(said: str) -> str:
    from huggingface_hub import get_token

    return said.replace(get_token() or said, "…")
