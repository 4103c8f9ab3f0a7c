"""The architectures of GANs that are known here."""
