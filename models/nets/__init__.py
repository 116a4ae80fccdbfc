"""The torch networks; nothing outside `headgan.models.nets` and `headgan.models.train` imports torch."""
