class _Mlir:
    def hlo_to_stablehlo(self, computation: bytes) -> bytes: ...

mlir: _Mlir
