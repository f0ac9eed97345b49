"""`python -m neuronc` is the command line."""

import sys

from neuronc.cli import main

sys.exit(main())
