"""Where pools of concepts come from: the built-in word lists and what the user adds."""
