"""Models that write an image as tokens: what the families of autoregressive models have in common.

model      what such a model can do; opening one's parts safely
chameleon  Chameleon and Anole, whose decoder transformers does not have
decoder    that decoder
janus      Janus
plain      a VQ autoencoder and a causal transformer in one folder
sampling   drawing the tokens, each image by a generator of its own
overlays   decoders, adapters and weights laid over a base
"""
