"""ViPer: from what a person says about pictures to their images and their models.

attributes, data/   what pictures can be liked for: 538 attributes in 20 categories
pictures, drawing/  pictures to comment on, drawn here; diverse: or made by any model
comments, profile   what was said, and what was found in it
extraction/         comments -> likes and dislikes: by rules, by a model, by the authors' adapter
taste, encoding, guidance, denoiser, steering, refining   a diffusion model steered (Eq. 1–3)
baselines/          the same by words, reference images, learned words, rankings, or a reward
agents/             simulated people
proxy/              will this person like this picture?
ranking, verifying  explained models that suit a taste; did steering do what it should?
"""
