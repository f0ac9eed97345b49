"""The runtime: loads an artifact and executes it in NumPy. Needs numpy and ml_dtypes, no more."""
