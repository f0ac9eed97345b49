"""Passes over StableHLO and tiles, one rewrite a file; file, class and CLI name agree."""
