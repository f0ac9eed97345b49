"""A sample of the operations; `python -m tests.torch_ops` tries all."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's operation database needs it")

from tests.torch_ops.cell import CRASHED, WORKS, WRONG, attempt, samples  # noqa: E402

EVERY = 37
"""The sample: one operation in so many, a prime so that families mix."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "complex64"])
def test_operations_are_right_or_refused(dtype: str) -> None:
    cells = [attempt(s) for s in samples(getattr(torch, dtype), 1, every=EVERY)]
    assert len(cells) > 3
    assert [(c.sample.id, c.detail) for c in cells if c.status in (WRONG, CRASHED)] == []


@pytest.mark.parametrize(
    "only", ["linalg_solve", "linalg_inv", "linalg_lu_factor", "det", "diagonal_scatter", "addbmm"]
)
def test_systems_of_equations_work(only: str) -> None:
    """Also for batches, vectors and matrices without rows."""
    cells = [attempt(s) for s in samples(torch.float32, 2, only)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []


@pytest.mark.parametrize(
    ("only", "dtype"),
    [("softmax_with_dtype", "int64"), ("softmax_with_dtype", "float16"), ("unfold", "float32")],
)
def test_types_and_ranks_at_the_edge_work(only: str, dtype: str) -> None:
    """A softmax that is asked for another type computes in it; a number has one window."""
    cells = [attempt(s) for s in samples(getattr(torch, dtype), 1, only)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []


@pytest.mark.parametrize("only", ["interpolate_bilinear", "interpolate_bicubic"])
def test_bytes_are_resized_as_numbers_and_rounded(only: str) -> None:
    """Their weights had been bytes too, so that most pixels were 0."""
    cells = [attempt(s) for s in samples(torch.uint8, 2, only)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []


@pytest.mark.parametrize("only", ["polygamma_polygamma_n_1", "nn_functional_bilinear"])
def test_small_integers_work(only: str) -> None:
    """Of polygamma, poles are infinite: eager has them as large as sin(pi n) is small."""
    cells = [attempt(s) for s in samples(torch.int8, 1, only, exact=True)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []


@pytest.mark.parametrize(
    "only", ["vdot", "std_mean", "logsumexp", "dist", "nn_functional_normalize"]
)
def test_complex_numbers_have_real_sizes(only: str) -> None:
    cells = [attempt(s) for s in samples(torch.complex64, 2, only, exact=True)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []


@pytest.mark.parametrize(
    "only",
    [
        *("linalg_svd", "linalg_eigh", "linalg_eig", "linalg_qr", "linalg_pinv", "matrix_exp"),
        *(
            "cholesky_solve",
            "cholesky_inverse",
            "triangular_solve",
            "lu_unpack",
            "lu_solve",
            "ormqr",
        ),
        *(
            "nanmedian",
            "mode",
            "index_reduce_mean",
            "nn_functional_grid_sample",
        ),
        *("special_i1e", "special_bessel_y0", "special_modified_bessel_k1", "special_erfcx"),
        *("special_hermite_polynomial_h", "special_laguerre", "special_ndtri", "frexp", "hypot"),
        *("adaptive_max_pool2d", "embedding_bag", "segment_reduce", "signal_windows_kaiser"),
        *("angle", "copysign", "cdist", "as_strided_scatter"),
    ],
)
def test_what_torch_leaves_whole_works(only: str) -> None:
    """Factors, order statistics, special functions, sampling: taken apart or emitted by us."""
    cells = [attempt(s) for s in samples(torch.float32, 1, only)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []
