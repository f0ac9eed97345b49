from collections.abc import Sequence

from jaxlib.mlir import ir

def register_dialect(context: ir.Context, load: bool = ...) -> None: ...
def register_stablehlo_passes() -> None: ...
def deserialize_portable_artifact(context: ir.Context, artifact: bytes) -> ir.Module: ...

class ChannelHandle(ir.Attribute):
    @property
    def handle(self) -> int: ...

class _Named(ir.Attribute):
    @classmethod
    def get(cls, value: str) -> ir.Attribute: ...

class ComparisonDirectionAttr(_Named): ...
class ComparisonTypeAttr(_Named): ...
class RngDistributionAttr(_Named): ...
class RngAlgorithmAttr(_Named): ...
class FftTypeAttr(_Named): ...

class DotDimensionNumbers(ir.Attribute):
    @staticmethod
    def get(
        lhs_batching_dimensions: Sequence[int],
        rhs_batching_dimensions: Sequence[int],
        lhs_contracting_dimensions: Sequence[int],
        rhs_contracting_dimensions: Sequence[int],
    ) -> ir.Attribute: ...

class ConvDimensionNumbers(ir.Attribute):
    @staticmethod
    def get(
        input_batch_dimension: int,
        input_feature_dimension: int,
        input_spatial_dimensions: Sequence[int],
        kernel_input_feature_dimension: int,
        kernel_output_feature_dimension: int,
        kernel_spatial_dimensions: Sequence[int],
        output_batch_dimension: int,
        output_feature_dimension: int,
        output_spatial_dimensions: Sequence[int],
    ) -> ir.Attribute: ...

class GatherDimensionNumbers(ir.Attribute):
    @staticmethod
    def get(
        offset_dims: Sequence[int],
        collapsed_slice_dims: Sequence[int],
        operand_batching_dims: Sequence[int],
        start_indices_batching_dims: Sequence[int],
        start_index_map: Sequence[int],
        index_vector_dim: int,
    ) -> ir.Attribute: ...

class ScatterDimensionNumbers(ir.Attribute):
    @staticmethod
    def get(
        update_window_dims: Sequence[int],
        inserted_window_dims: Sequence[int],
        input_batching_dims: Sequence[int],
        scatter_indices_batching_dims: Sequence[int],
        scattered_dims_to_operand_dims: Sequence[int],
        index_vector_dim: int,
    ) -> ir.Attribute: ...
