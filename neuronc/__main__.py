"""`python -m neuronc` is the command line."""

import sys

from neuronc.cli import command

sys.exit(command())
