"""How the tiny models in examples/models are made; run it with scripts/train_tiny.py."""
