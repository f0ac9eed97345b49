from jaxlib.mlir._mlir_libs._stablehlo import *  # noqa: F403
