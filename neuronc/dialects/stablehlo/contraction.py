"""Operations that sum products: matrix products, convolutions and linear algebra."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp


@irdl_op_definition
class BatchNormGradOp(PureOp):
    """The gradients of `batch_norm_training` for operand, scale and offset."""

    name = "stablehlo.batch_norm_grad"


@irdl_op_definition
class BatchNormInferenceOp(PureOp):
    """(operand - mean) / sqrt(variance + `epsilon`) * scale + offset along `feature_index`."""

    name = "stablehlo.batch_norm_inference"


@irdl_op_definition
class BatchNormTrainingOp(PureOp):
    """`batch_norm_inference` with operand's own mean and variance, which are results too."""

    name = "stablehlo.batch_norm_training"


@irdl_op_definition
class CholeskyOp(PureOp):
    """The triangle L (`lower`) or U of the batched positive definite a = L L^H = U^H U."""

    name = "stablehlo.cholesky"


@irdl_op_definition
class ConvolutionOp(PureOp):
    """result[b, f, s] = sum over channels and window of input * kernel.

    The axis roles are `input_batch_dimension`, `input_feature_dimension`,
    `input_spatial_dimensions` and likewise `kernel_input_feature_dimension`,
    `kernel_output_feature_dimension`, `kernel_spatial_dimensions`, `output_*`. The window moves by
    `window_strides` over input dilated by `lhs_dilation` and padded by `padding` [[low, high]..];
    the kernel is dilated by `rhs_dilation` and flipped where `window_reversal`. Channels or batch
    are split into `feature_group_count` or `batch_group_count` groups.
    """

    name = "stablehlo.convolution"


@irdl_op_definition
class DotOp(PureOp):
    """lhs @ rhs for operands of rank 1 or 2."""

    name = "stablehlo.dot"


@irdl_op_definition
class DotGeneralOp(PureOp):
    """result[batch, m, n] = sum over k of lhs[batch, m, k] * rhs[batch, n, k].

    batch are `lhs_batching_dimensions` and `rhs_batching_dimensions`, k the
    `lhs_contracting_dimensions` and `rhs_contracting_dimensions`, m and n what remains, in order.
    `precision_config` has one of DEFAULT, HIGH, HIGHEST per operand; `algorithm` if given binds.
    """

    name = "stablehlo.dot_general"


@irdl_op_definition
class EinsumOp(PureOp):
    """The Einstein sum `einsum_config` of two operands."""

    name = "stablehlo.einsum"


@irdl_op_definition
class FftOp(PureOp):
    """The transform `fft_type` (FFT, IFFT, RFFT, IRFFT) over the last axes, of `fft_length`."""

    name = "stablehlo.fft"


@irdl_op_definition
class TriangularSolveOp(PureOp):
    """x with op(a) x = b (`left_side`) or x op(a) = b, for a triangular (`lower`).

    op is `transpose_a`: NO_TRANSPOSE, TRANSPOSE or ADJOINT; `unit_diagonal` takes ones as diagonal.
    """

    name = "stablehlo.triangular_solve"


@irdl_op_definition
class UnaryEinsumOp(PureOp):
    """The Einstein sum `einsum_config` of one operand."""

    name = "stablehlo.unary_einsum"
