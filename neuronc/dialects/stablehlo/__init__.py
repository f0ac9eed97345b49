"""The stablehlo dialect: one class per operation, grouped as in the specification."""
