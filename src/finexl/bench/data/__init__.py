"""Sets of images whose change is known: in words, and by how much.

    DIR/truth.csv              a line for each set and aspect: name, description, level, base,
                               personalized (the last two are folders of DIR; a set without a base
                               has none)
    DIR/dataset.json           what was asked: another dataset is refused here
    DIR/SET/manifest.jsonl     a line an image: file, prompt, seed
    DIR/base/manifest.jsonl    what the sets differ from

graded          a set, its aspects and their levels; reading any of the datasets
layout          writing them
synthetic       400 images in 15 styles, by any model that makes images (Appendix D)
style_transfer  the Style Transfer dataset, as published
stylisation     photographs × paintings, drawn by AdaIN at graded strength
words           captions and descriptions for these two
wikiart         paintings by artist, or by movement
operated        photographs under image operators, one or several at once
captioning      words for images that have none, by BLIP-2
adain           the networks of style transfer
"""
