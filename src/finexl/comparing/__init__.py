"""Explained models beside each other: what differs for certain, what is the same, what comes when.

models     explanations read, one row a prompt
ground     the same encoder, prompts and concepts for all of them
compared   concepts × models, and differences; `alike`: as wholes
series     checkpoints and strengths, with `pictures` of the runs; `stacks`: LoRAs taken apart
asked      all of it as the command asks for it; `said`, `tables`: in words, on a terminal
"""
