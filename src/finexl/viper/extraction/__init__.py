"""Preferences out of comments (ViPer §3.1, VPE): one form of answer, three ways to find it.

base       what an extractor is; findings brought together
corrections
           what the person puts right, which holds whatever is found
offline    by rules and an encoder, without any language model
asking     by a vision-language model, with the paper's task in one of two `forms`
adapted    by one that was fine-tuned for it: the authors' weights

Offline, step by step:
words      a comment's words; what is markup, what is a typo (`spelling`)
clauses    its pieces of one opinion each
cues       praise, blame, "not", "too", wishes
mentions   the attributes that it names, by the lists of `names`
opinions   what is thought of each
reading    all of that for one comment
closeness  other spellings of listed attributes, by the encoder's text side
seeing     "I love these colors", read off the picture: `looking` by the encoder, `palettes` by
           its pixels
"""

from __future__ import annotations

from finexl.viper.extraction.asking import Asked
from finexl.viper.extraction.base import Extracted, Extractor, Finding, merged, read_into
from finexl.viper.extraction.offline import Offline

__all__ = ["Asked", "Extracted", "Extractor", "Finding", "Offline", "merged", "read_into"]
