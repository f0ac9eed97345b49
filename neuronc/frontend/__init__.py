"""From a program file or object to the stablehlo dialect: read, normalise, check, convert."""
