"""Generated faces and their edits: how examples/models/faces was made."""
