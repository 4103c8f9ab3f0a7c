"""Teaching a vision-language model to extract preferences, by simulated people (ViPer §3.1, A.2).

lessons   what is asked of an agent's comments, and the right answer
tokens    both as a model reads them, and which of its tokens are the answer's
scoring   how well an extractor reads people
training  an adapter that learns it: what `extract --adapter` opens
"""

from finexl.viper.teaching.scoring import Score, score
from finexl.viper.teaching.training import Taught, train

__all__ = ["Score", "Taught", "score", "train"]
