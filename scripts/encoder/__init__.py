"""How the embedded encoder is made; run it with scripts/fit_encoder.py."""
