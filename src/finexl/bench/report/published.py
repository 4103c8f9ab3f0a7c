"""The paper's own figures, to stand beside ours and never among them.

They are of other models (Stable Diffusion 2.1, ControlGAN, Anole-7B), another encoder (CLIP), other
data and GPT-4o as the one that looks and grades. Table 7's figures (which VLM proposes best) are
missing from the text that this was taken from.
"""

from __future__ import annotations

from dataclasses import dataclass

NOTE = "The paper: other models, other encoders, other data"


@dataclass(frozen=True)
class Published:
    """One of the paper's tables."""

    source: str
    """Its number."""
    caption: str
    experiments: tuple[str, ...]
    """Ours that ask the same; exact names."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    """Name, and a value for each column; None where the paper has none."""
    decimals: int | None = None
    """Of its figures; None: as many as each needs."""
    note: str = ""

    def value(self, row: str, column: str) -> float | None:
        """Return a figure."""
        return dict(self.rows)[row][self.columns.index(column)]


_DATA = ("Synthetic", "Style transfer", "WikiArt")
_ONE, _SEVERAL = ("one-aspect",), ("several-aspects",)
_SELECTION = ("selection", "model-selection")

PUBLISHED: tuple[Published, ...] = (
    Published(
        "Table 1",
        "Rank error at 10 levels of one aspect, diffusion model; lower is better",
        _ONE,
        _DATA,
        (
            ("Naive method", (2.2, 2.1, 2.5)),
            ("Diff Caption", (3.1, 3.7, 3.3)),
            ("Chg2Cap", (3.0, 3.3, 2.7)),
            ("VisDiff", (1.6, 2.5, 2.2)),
            ("GSCLIP", (1.8, 2.6, 2.5)),
            ("FineXL", (0.7, 1.6, 1.4)),
        ),
        1,
    ),
    Published(
        "Table 2",
        "Rank error by number of levels, diffusion model, synthetic data; lower is better",
        _ONE,
        ("3 levels", "5 levels", "8 levels", "10 levels"),
        (
            ("Naive method", (0.4, 1.2, 1.9, 2.2)),
            ("Diff Caption", (0.5, 1.9, 2.6, 3.1)),
            ("Chg2Cap", (0.5, 1.6, 2.4, 3.0)),
            ("VisDiff", (0.2, 0.7, 1.3, 1.6)),
            ("GSCLIP", (0.3, 0.7, 1.2, 1.8)),
            ("FineXL", (0.2, 0.4, 0.5, 0.7)),
        ),
        1,
    ),
    Published(
        "Table 3",
        "Accuracy of choosing the true coordinate, 2 aspects, six mixtures; higher is better",
        _SEVERAL,
        _DATA,
        (
            ("Naive method", (0.722, 0.611, 0.667)),
            ("Diff Caption", (0.556, 0.389, 0.444)),
            ("Chg2Cap", (0.500, 0.444, 0.444)),
            ("VisDiff", (0.778, 0.889, 0.833)),
            ("GSCLIP", (0.778, 0.833, 0.722)),
            ("FineXL", (0.944, 0.944, 0.888)),
        ),
        3,
    ),
    Published(
        "Table 4",
        "Rank error, graded face edits; lower is better",
        _ONE,
        ("Faces",),
        (("VisDiff", (0.9,)), ("GSCLIP", (0.8,)), ("FineXL", (0.3,))),
        1,
    ),
    Published(
        "Table 5",
        "Rank error at 10 levels of one aspect, GAN; lower is better",
        _ONE,
        _DATA,
        (
            ("Naive method", (2.3, 2.9, 2.4)),
            ("Diff Caption", (2.7, 2.2, 2.8)),
            ("Chg2Cap", (2.5, 2.3, 2.6)),
            ("VisDiff", (1.6, 1.9, 2.2)),
            ("GSCLIP", (1.5, 2.3, 2.0)),
            ("FineXL", (0.9, 1.4, 1.4)),
        ),
        1,
    ),
    Published(
        "Table 6",
        "Rank error at 10 levels of one aspect, autoregressive model; lower is better",
        _ONE,
        _DATA,
        (
            ("Naive method", (2.7, 2.4, 2.6)),
            ("Diff Caption", (2.7, 3.0, 3.1)),
            ("Chg2Cap", (2.8, 2.6, 3.3)),
            ("VisDiff", (2.0, 1.0, 2.3)),
            ("GSCLIP", (1.9, 1.1, 2.5)),
            ("FineXL", (1.5, 0.7, 1.8)),
        ),
        1,
    ),
    Published(
        "Table 8",
        "Properties of encoders",
        ("ablation-encoders",),
        ("Linearity", "Orthogonality", "Alignment"),
        (
            ("CLIP", (0.79, 0.03, 0.72)),
            ("ALIGN", (0.81, 0.05, 0.65)),
            ("OpenCLIP", (0.72, 0.05, 0.63)),
            ("EVA-CLIP", (0.73, 0.02, 0.69)),
        ),
        2,
        "Linearity and alignment: higher is better; orthogonality is a cosine, lower is better.",
    ),
    Published(
        "Appendix A",
        "Alignment by the model used as the “ideal” generator; higher is better",
        ("ablation-ideal",),
        ("Alignment",),
        (("SD 3.5 Large", (0.72,)), ("SD 2.1", (0.52,)), ("SD 1.4", (0.34,))),
        2,
    ),
    Published(
        "Appendix B",
        "Decomposition threshold, synthetic data",
        ("ablation-threshold",),
        ("Concepts", "Residual", "Rank error"),
        (
            ("0.02", (None, 0.094, None)),
            ("0.05", (None, 0.093, None)),
            ("0.1", (68, 0.098, 0.7)),
            ("0.2", (33, 0.192, 0.7)),
            ("0.3", (19, 0.280, 0.7)),
            ("0.4", (9, 0.383, 0.9)),
            ("0.5", (8, 0.428, 0.9)),
            ("0.6", (5, 0.541, 1.1)),
        ),
        note="The text has six counts for eight thresholds; the two missing are taken to be those "
        "of the thresholds that are never reached.",
    ),
    Published(
        "Table 11",
        "Cosine error of V_div by number of samples; lower is better",
        ("ablation-samples",),
        ("Style transfer", "WikiArt"),
        (
            ("10", (0.08, 0.29)),
            ("25", (0.03, 0.14)),
            ("50", (0.02, 0.09)),
            ("100", (0.006, 0.03)),
            ("200", (0.004, 0.02)),
            ("500", (0.001, 0.008)),
        ),
    ),
    Published(
        "Table 12",
        "Rank error by how the VLM was asked, synthetic data; lower is better",
        ("ablation-templates", "ablation-instructions"),
        ("5 levels", "10 levels"),
        (
            ("Original prompt", (0.4, 0.7)),
            ("Condensed prompt", (0.5, 0.7)),
            ("Elaborated prompt", (0.4, 0.7)),
        ),
        1,
    ),
    Published(
        "The authors’ later test",
        "Same-style accuracy of the chosen model, real LoRA fine-tunes of SD 1.5, CLIP ViT-B/32; "
        "higher is better",
        _SELECTION,
        ("3 levels", "5 levels", "8 levels", "2 aspects", "3 aspects", "4 aspects"),
        (
            ("FineXL, full Algorithm 1", (0.17, 0.20, 0.19, 0.16, 0.17, 0.18)),
            ("FineXL, least squares without the filter", (0.17, 0.15, 0.31, 0.24, 0.28, 0.30)),
            ("FineXL, improved", (0.25, 0.50, 0.72, 0.55, 0.56, 0.70)),
            ("Asking a VLM", (0.17, 0.35, 0.50, 0.37, 0.42, 0.45)),
            ("VisDiff", (None, None, 0.28, None, None, 0.27)),
        ),
        2,
        "Not in the paper: found later by its authors in a reproduction of their own.",
    ),
)


def published_for(experiment: str) -> tuple[Published, ...]:
    """Return the paper's tables that ask what this experiment of ours asks."""
    return tuple(one for one in PUBLISHED if experiment in one.experiments)
