"""The experiments: one readable function each, parameters in experiments.yaml.

registry    names, questions, what each is given
trials      sets of known levels that belong together, embedded once
families    such sets made of photographs
readers     how a model's score of an aspect is read: the rows of tables
levels      scenarios 1 and 2
selection   the model that is most like a target, chosen by explanation
fine_tunes  real fine-tunes whose change is known in words
versions    several models against one base
ablations/  one setting changed at a time
"""
