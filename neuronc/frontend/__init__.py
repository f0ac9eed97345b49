"""From a program file or object to the stablehlo dialect: read, normalise, check, convert."""

import os

# jaxlib reads this when it is loaded, and else logs its devices; jax does the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
