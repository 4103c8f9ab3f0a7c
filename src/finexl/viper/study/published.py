"""The paper's own figures, kept apart from what was found here (Tables 1, 3, 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NOTE = (
    "The paper's figures are of other people, other models and other pictures: twenty users, and "
    "agents read by language models, with Stable Diffusion XL."
)
USERS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"own vs none": (0.861, 0.932, 0.986, 0.990), "own vs others": (0.654, 0.822, 0.966, 0.990)}
)
"""Table 1: twenty users, top-1 to 4."""
PROXY: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"own vs none": (0.867, 0.958, 1.0, 1.0), "own vs others": (0.716, 0.892, 0.983, 0.992)}
)
"""Table 1: their M."""
PAIRS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "viper": {"M": 0.891, "similarity": 0.733, "preference": 0.670},
        "prompted": {"M": 0.839, "similarity": 0.695, "preference": 0.624},
    }
)
"""Table 3: 1,000 agents; similarity by CLIP, preference by PickScore; prompts by an LLM."""
PROMPTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "viper": {"similarity": 0.903, "preference": 0.878},
        "prompted": {"similarity": 0.835, "preference": 0.796},
    }
)
"""Table 4."""
GROUPS: Mapping[str, float] = MappingProxyType(
    {"no color, no style": 0.716, "style": 0.788, "color": 0.831, "both": 0.914}
)
"""Table 5: 100 agents a group, by M."""


def published(study: str, method: str, scorer: str, k: int) -> float | None:
    """Return the paper's figure for one of ours; None where it has none.

    Args:
        study: as `simulated` names it.
        method: `viper`, or one of prompt personalization.
        scorer: its name in tables.
        k: of the top-k.
    """
    kind = scorer.split(" (")[0]  # an M that knows people otherwise than theirs has none
    if study in PROXY:
        return PROXY[study][k - 1] if method == "viper" and kind == "M" else None
    table = {"personalized or not": PAIRS, "prompt": PROMPTS}.get(study, {})
    return table.get("prompted" if method == "rewritten" else method, {}).get(kind)
