"""M, the proxy metric: how probable it is that somebody likes a picture (ViPer §3.3, C.7).

proxy        without training, from examples and preferences; posterior and sight are its parts
rating       what it says of a picture
calibration  whether probabilities hold what they say
judge        a vision-language model trained for it, the authors' or one's own; question is its form
people, sets, recipe, training
             how such a model is trained
showing      pictures of files and folders
"""

from finexl.viper.proxy.calibration import Calibration, calibration
from finexl.viper.proxy.judge import Judge, load_judge
from finexl.viper.proxy.proxy import Prior, Proxy
from finexl.viper.proxy.rating import Rating

__all__ = ["Calibration", "Judge", "Prior", "Proxy", "Rating", "calibration", "load_judge"]
