"""Models personalized to known levels, and the scenes that tiny ones are trained on."""
