"""Simulated people (ViPer §3.1): likings, the pictures they are shown, what they say of them.

tastes       who likes what; no two alike
picturing    which pictures they are shown: drawn ones, or prompts for any model
ingredients  what drawn pictures are put together from, and what each part makes visible
drawn        the drawing, as a `Generator`; its shapes in figures
views        what they think of a picture
grammar      comments written offline; slips of the keyboard in slips
asking       comments written by a model that looks
agent        one of them, as a line of JSON
making       all of them, in a folder
matching     candidates scored by similarity, or ranked by a model
meaning      comments by what their clauses mean, by sentence vectors
identity     the paper's two identifiability tests (Table 2)
recovery     what an extractor finds of what they said
lookup       the plainest extractor and the best, to measure by
"""

from finexl.viper.agents.agent import Agent, Reaction, Remark, Shown, read_agents
from finexl.viper.agents.drawn import Drawn
from finexl.viper.agents.identity import Accuracy, author_test, vp_test
from finexl.viper.agents.ingredients import drawable
from finexl.viper.agents.lookup import Lookup, Truth
from finexl.viper.agents.making import Made, make_agents
from finexl.viper.agents.matching import Matcher, Ranked, Similar
from finexl.viper.agents.recovery import Recovery, recovery
from finexl.viper.agents.tastes import Likings, draw_likings, jaccard_distance

__all__ = [
    "Accuracy",
    "Agent",
    "Drawn",
    "Likings",
    "Lookup",
    "Made",
    "Matcher",
    "Ranked",
    "Reaction",
    "Recovery",
    "Remark",
    "Shown",
    "Similar",
    "Truth",
    "author_test",
    "draw_likings",
    "drawable",
    "jaccard_distance",
    "make_agents",
    "read_agents",
    "recovery",
    "vp_test",
]
