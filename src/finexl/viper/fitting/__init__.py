"""Fitting an adapter to a vision-language model, whatever it is to learn (LoRA).

recipe    how: steps, rank, rate, who is only tested on
division  people that are learned from, and others
learner   a model under an adapter: one step of Adam, and what it keeps
course    all of the steps, gone on with where they broke off
"""

from finexl.viper.fitting.course import ADAPTER, Progress, learn
from finexl.viper.fitting.division import split
from finexl.viper.fitting.learner import Learner, Lessons
from finexl.viper.fitting.recipe import Recipe

__all__ = ["ADAPTER", "Learner", "Lessons", "Progress", "Recipe", "learn", "split"]
