"""Torch's own operation database (`OpInfo`) as a test of the emitters."""
