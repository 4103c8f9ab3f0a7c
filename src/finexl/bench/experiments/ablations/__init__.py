"""The ablations: one setting changed at a time, everything else as it is (Appendices A, B, E, G).

thresholds   how much of V_div may be left (Eq. 11); how far concepts may overlap (Eq. 9)
samples      how many prompts V_div needs, and whether the package knows how far off it is
wordings     how t ∪ C is written (Eq. 6); how a VLM is asked
encoders     which encoder (Table 8)
ideals       how good the "ideal" generator has to be (Eq. 12)
parts        `subspace` with one part switched off
directions   in which space concepts are compared
stopping     all that is listed, or what stands a test

`ways` is what a row explains with, `said` how far that is right, `rows` what files it, and `null`
what must not be explained.
"""
