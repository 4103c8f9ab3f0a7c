"""The papers' experiments, run with this package."""
