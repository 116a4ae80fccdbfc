"""What a call costs and how good it looks, measured."""
