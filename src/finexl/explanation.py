"""The result of explaining one model: frozen dataclasses <-> JSON (`finexl.explanation/1`).

An undefined number is None (null in JSON): never NaN and never 0.
"""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from finexl.errors import UsageError

SCHEMA = "finexl.explanation/1"
SIGNIFICANT_DIGITS = 6
_HEAD = f'{{\n "schema": "{SCHEMA}"'

Pairing = Literal["seed", "prompt", "file", "none"]
"""How the images of the two sets were matched; "none": as two unpaired sets."""


def _decoder(dtype: str) -> PlainValidator:
    """Read an array, flat, from base64 of its little-endian bytes."""

    def decode(value: object) -> NDArray[np.generic]:
        if isinstance(value, np.ndarray):
            return value
        if not isinstance(value, str):
            raise ValueError("expected base64 text")
        array = np.frombuffer(base64.b64decode(value, validate=True), dtype=dtype)
        if not np.isfinite(array).all():
            raise ValueError("numbers that are not finite")
        return array

    return PlainValidator(decode)


def _encoder(dtype: str) -> PlainSerializer:
    """Write an array as base64 of its little-endian bytes, row by row."""

    def encode(array: NDArray[np.generic]) -> str:
        return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode()

    return PlainSerializer(encode)


Vector = Annotated[NDArray[np.float32], _decoder("<f4"), _encoder("<f4")]
PairRows = Annotated[NDArray[np.float16], _decoder("<f2"), _encoder("<f2")]
_STRICT = ConfigDict(arbitrary_types_allowed=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Source:
    """One of the two sets of images: the base or the personalized."""

    __pydantic_config__ = _STRICT

    name: str
    kind: str
    n_images: int
    digest: str
    """sha256 over the images' own digests, in order."""


@dataclass(frozen=True)
class EncoderId:
    """Which encoder measured: scores of two encoders are never compared."""

    __pydantic_config__ = _STRICT

    name: str
    revision: str


@dataclass(frozen=True)
class Prompts:
    """The prompts that made the images, or the neutral ones that stand in for them (Eq. 6)."""

    __pydantic_config__ = _STRICT

    n: int
    source: str
    digest: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Alignment:
    """One candidate's signed cosine with V_div, in the decomposition's space, in [-1, 1]."""

    __pydantic_config__ = _STRICT

    concept: str
    cosine: float | None


@dataclass(frozen=True)
class Pool:
    """The candidates; `alignment` lists every one of them, best first, when asked for."""

    __pydantic_config__ = _STRICT

    size: int
    sources: tuple[str, ...]
    digest: str
    alignment: tuple[Alignment, ...] | None = None


@dataclass(frozen=True, eq=False)
class Divergence:
    """V_div (Eq. 5) and whether it is more than chance."""

    __pydantic_config__ = _STRICT

    norm: float
    """‖V_div‖ in the encoder's space, ≥ 0."""
    noise_floor: float | None
    """The norm that V_div would have from the scatter between prompts alone, same unit."""
    detected: bool | None
    """p_value ≤ 0.05; None with fewer than 6 prompts."""
    p_value: float | None
    vector: Vector
    pairs: PairRows | None = None
    """The pair divergences (n, d), rounded to half precision."""
    pair_prompts: tuple[int | None, ...] | None = None
    """Each pair's prompt, as its index in `prompts.texts`; None where it is unknown. All of it is
    None, and the JSON has no such key, where every pair has a prompt of its own, in order, or no
    prompt is known."""

    def __post_init__(self) -> None:
        if self.pairs is not None:
            d = len(self.vector)
            rows = np.asarray(self.pairs).reshape(-1, d) if d else np.zeros((0, 0), np.float16)
            object.__setattr__(self, "pairs", rows)
        if self.pair_prompts is not None:
            pairs = 0 if self.pairs is None else len(self.pairs)
            if len(self.pair_prompts) != pairs:
                raise ValueError(
                    f"prompts of {len(self.pair_prompts)} pairs, and there are {pairs}"
                )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Divergence) and self._contents() == other._contents()

    def __hash__(self) -> int:
        return hash(self._contents())

    def _contents(self) -> tuple[object, ...]:
        pairs = None if self.pairs is None else self.pairs.tobytes()
        tests = (self.norm, self.noise_floor, self.detected, self.p_value)
        return (*tests, self.vector.tobytes(), pairs, self.pair_prompts)


@dataclass(frozen=True)
class Aspect:
    """A concept kept in the explanation. There is more of it where the score is positive."""

    __pydantic_config__ = _STRICT

    concept: str
    score: float
    """w·‖f(C)‖/r: the joint coefficient on the encoder's scale; unbounded, 0 is none."""
    ci: tuple[float, float] | None
    """95 % interval of the population score of this support."""
    effect: float
    """⟨V_div, f(C)/‖f(C)‖⟩/r: what this concept alone would show; compare models by it."""
    weight: float
    """w of Eq. 10."""
    share: float | None
    """The part of ‖V_div‖² this aspect explains on pairs it was not fitted on; additive."""
    share_in_sample: float | None
    alignment: float | None
    """cos(V_div, f(C)) in the decomposition's space."""
    selected: float | None
    """How often a bootstrap rerun of the selection keeps the aspect, in [0, 1]."""
    q_value: float | None
    """Sign-flip max-statistic p-value, adjusted over the pool."""
    specific: bool | None
    """Better aligned than 95 % of unrelated phrases."""
    significant: bool | None
    """Detected, confirmed by held-out pairs, q ≤ 0.05, specific, and its interval on one side of 0;
    None where that could not be tested."""
    examples: tuple[int, ...] = ()
    """Indices of the pairs that move most along the aspect."""


@dataclass(frozen=True)
class Dropped:
    """A candidate that was looked at and left out, and why."""

    __pydantic_config__ = _STRICT

    concept: str
    reason: str


@dataclass(frozen=True)
class Proposed:
    """A concept that a vision-language model named, and what the pairs say to it."""

    __pydantic_config__ = _STRICT

    concept: str
    votes: int
    """Replies that name it."""
    more: int
    """Of them, those that say there is more of it in the personalized images."""
    less: int
    pairs: tuple[str, ...]
    """The pairs that those replies were about."""
    merged: tuple[str, ...]
    """Other spellings, and near-synonyms by the encoder."""
    flags: tuple[str, ...]
    alignment: float | None
    """cos(V_div, f(C)) in the decomposition's space, as measured."""
    q_value: float | None
    supported: bool | None
    """The measured pairs move along it, the way that most replies say: a difference is detected,
    q ≤ 0.05, and it aligns better than 95 % of unrelated phrases. None where that is not tested."""


@dataclass(frozen=True)
class Round:
    """Questions asked in one go, and what all concepts named so far leave unexplained."""

    __pydantic_config__ = _STRICT

    questions: int
    residual: float | None
    """Held-out, over the pairs that were looked at; None where it cannot be measured."""


@dataclass(frozen=True)
class Discovery:
    """What a vision-language model proposed (§4.2), on which pairs, and why asking ended (§4.5)."""

    __pydantic_config__ = _STRICT

    vlm: str
    revision: str
    template: str
    questions: int
    replies: int
    pairs: int
    """Pairs that it has seen."""
    scored_on: Literal["other pairs", "same pairs"]
    rounds: tuple[Round, ...]
    stopped: str
    concepts: tuple[Proposed, ...]
    """Most votes first."""
    removed: tuple[Dropped, ...]
    """What it said that did not become a candidate, and why."""


@dataclass(frozen=True)
class Explanation:
    """How a personalized model's images differ from its base's, in words with numbers."""

    __pydantic_config__ = _STRICT

    name: str
    base: Source
    personalized: Source
    encoder: EncoderId
    decomposition: str
    prompts: Prompts
    pool: Pool
    n_pairs: int
    pairing: Pairing
    seed: int
    divergence: Divergence
    aspects: tuple[Aspect, ...]
    """What there is more of, positive scores, strongest first."""
    less: tuple[Aspect, ...]
    """What there is less of, negative scores, strongest first."""
    residual: float | None
    """√(1 − Σ shares), noise-corrected: what the aspects leave unexplained, in [0, 1]."""
    residual_in_sample: float | None
    """Eq. 11."""
    outside: float | None
    """The part of ‖V_div‖ that no pool could reach in the decomposition's space, in [0, 1]; None
    where that space is all of the encoder's."""
    dropped: tuple[Dropped, ...]
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    finexl_version: str
    created: str
    discovery: Discovery | None = None
    """Where a vision-language model proposed concepts; the JSON has the key only then."""
    schema: Literal["finexl.explanation/1"] = field(default="finexl.explanation/1")

    def __post_init__(self) -> None:
        named = {i for i in self.divergence.pair_prompts or () if i is not None}
        if not named <= set(range(len(self.prompts.texts))):
            raise ValueError("a pair of a prompt that is not in `prompts.texts`")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, keys in the schema's order, floats rounded to 6 digits."""
        data = _ADAPTER.dump_python(self, mode="json")
        if data["divergence"]["pair_prompts"] is None:
            del data["divergence"]["pair_prompts"]
        if data["pool"]["alignment"] is None:
            del data["pool"]["alignment"]
        if data["discovery"] is None:
            del data["discovery"]
        found: dict[str, Any] = rounded({"schema": data.pop("schema"), **data})
        return found

    def to_json(self) -> str:
        """Return the JSON text: same explanation, same bytes."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Explanation:
        """Read what `to_json` wrote.

        Raises:
            UsageError: not JSON, another schema, or a missing, unknown or malformed key.
        """
        if text[: len(_HEAD)] in (_HEAD, _HEAD.encode()):  # as `to_json` writes it: read once
            with suppress(ValidationError):
                return _ADAPTER.validate_json(text)
        try:
            schema = json.loads(text, parse_constant=_refuse)["schema"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(
                "This is not a FineXL explanation: no JSON with a `schema`."
            ) from error
        if schema != SCHEMA:
            raise UsageError(
                f"This explanation has schema {schema!r}; this version reads {SCHEMA}."
            )
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            what = f"explanation's `{where}`" if where else "explanation"
            raise UsageError(f"The {what} is wrong: {first['msg']}.") from error

    def _repr_html_(self) -> str:
        from finexl.report.html import render_fragment  # the one import that points the other way

        return render_fragment(self)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number of JSON")


def rounded(value: Any) -> Any:
    """Return JSON-like data with every float at the digits that are shown, tuples as lists."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


_ADAPTER: TypeAdapter[Explanation] = TypeAdapter(Explanation)
