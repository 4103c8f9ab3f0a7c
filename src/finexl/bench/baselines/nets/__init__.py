"""The networks of the baselines that describe the difference of two pictures."""
