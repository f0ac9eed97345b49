"""The artifact: what a `model.neff` holds, and how it is written and read."""
