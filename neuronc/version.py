"""The version of neuronc, for people, for the command line and for artifacts."""

VERSION = "0.1.0"
