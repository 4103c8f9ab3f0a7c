"""The built-in query set, drawn: a function a picture, and the recipes that name them."""
