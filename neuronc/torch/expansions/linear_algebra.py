"""Systems and functions of matrices, by factors that are emitted whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

ops: Any = torch
aten = ops.ops.aten
TAYLOR = {torch.float32: 9, torch.complex64: 9, torch.float64: 16, torch.complex128: 16}
"""Terms of exp(x) for |x| <= 1/2 until the next, 2^-k / k!, is below the rounding."""
SQUARINGS = 24
"""Of a matrix exponential: norms up to 2^23; larger ones overflow, or vanish."""


def _triangular(factor: Tensor, y: Tensor, *, upper: bool) -> Tensor:
    return aten.linalg_solve_triangular(factor, y, upper=upper)


def _adjoint(x: Tensor) -> Tensor:
    return x.mH if x.is_complex() else x.mT


@expands("cholesky_solve", "_cholesky_solve_helper")
def cholesky_solve(y: Tensor, factor: Tensor, upper: bool = False) -> Tensor:
    """X of A x = y, A = L L^H or U^H U."""
    other = _adjoint(factor)
    low, high = (other, factor) if upper else (factor, other)
    return _triangular(high, _triangular(low, y, upper=False), upper=True)


@expands("cholesky_inverse")
def cholesky_inverse(factor: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A = L L^H or U^H U; only that triangle of the factor is looked at."""
    eye = torch.eye(factor.shape[-1], dtype=factor.dtype).expand(factor.shape)
    other = _adjoint(factor)
    return cholesky_solve(eye, other if upper else factor)


@expands("cholesky")
def cholesky(x: Tensor, upper: bool = False) -> Tensor:
    """One triangle of the factor."""
    return aten.linalg_cholesky_ex(x, upper=upper)[0]


@expands("triangular_solve")
def triangular_solve(
    y: Tensor, x: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    """R of x r = y, or of its transpose; and x."""
    used = x.mT if transpose else x
    found = aten.linalg_solve_triangular(
        used, y, upper=upper != transpose, unitriangular=unitriangular
    )
    batch = found.shape[:-2]
    return found, x.expand(*batch, *x.shape[-2:]).clone()


def _eps(x: Tensor) -> float:
    return torch.finfo(x.dtype).eps


def _largest_of(sizes: Tensor) -> Tensor:
    return sizes.amax(-1, keepdim=True) if sizes.shape[-1] else sizes.new_zeros(1)


def _inverted(sizes: Tensor, cutoff: Tensor) -> Tensor:
    """1 / size of what is larger than the cutoff, else 0."""
    kept = sizes.abs() > cutoff
    return torch.where(kept, 1 / torch.where(kept, sizes, 1), 0)


@expands("linalg_pinv.atol_rtol_tensor")
def pseudo_inverse(
    x: Tensor, *, atol: Tensor | None = None, rtol: Tensor | None = None, hermitian: bool = False
) -> Tensor:
    """V diag(1 / s) U^H, without singular values of at most max(atol, rtol max s)."""
    if 0 in x.shape[-2:]:
        return x.new_zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]))
    if hermitian:
        sizes, right = aten._linalg_eigh(x)
        left = _adjoint(right)
    else:
        u, sizes, vh = aten._linalg_svd(x)
        left, right = _adjoint(u), _adjoint(vh)
    relative: Any = rtol
    if relative is None:
        relative = torch.full((), 0.0 if atol is not None else _eps(x) * max(x.shape[-2:]))
    cutoff = relative.to(sizes.dtype).unsqueeze(-1) * _largest_of(sizes.abs())
    if atol is not None:
        cutoff = torch.maximum(cutoff, atol.to(sizes.dtype).unsqueeze(-1))
    return (right * _inverted(sizes, cutoff).unsqueeze(-2).to(x.dtype)) @ left


@expands("linalg_matrix_exp")
def matrix_exponential(x: Tensor) -> Tensor:
    """exp(x / 2^k) by its series, squared k times, so that |x / 2^k| <= 1/2."""
    if x.shape[-1] == 0:
        return x.clone()
    if x.dtype not in TAYLOR:  # The 16-bit floats.
        return matrix_exponential(x.to(torch.float32)).to(x.dtype)
    norm = x.abs().sum(-2).amax(-1)
    halvings = torch.ceil(torch.log2(norm)).add(1).nan_to_num(nan=0.0).clamp(0, SQUARINGS)
    scaled = x * torch.exp2(-halvings)[..., None, None].to(x.dtype)
    eye = torch.eye(x.shape[-1], dtype=x.dtype).expand(x.shape)
    made = eye
    for k in reversed(range(1, TAYLOR[x.dtype] + 1)):
        made = eye + (scaled @ made) / k
    for k in range(SQUARINGS):
        made = torch.where((halvings > k)[..., None, None], made @ made, made)
    return made


@expands("linalg_lu_solve")
def lu_solve(
    lu: Tensor, pivots: Tensor, y: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """R of A r = y, r A = y, A^H r = y or r A^H = y, by P L U = A."""
    p, low, high = aten.lu_unpack(lu, pivots)
    right = y if left else _adjoint(y)
    batch: Sequence[int] = ops.broadcast_shapes(lu.shape[:-2], y.shape[:-2])
    right = right.expand(*batch, *right.shape[-2:])
    p, low, high = (v.expand(*batch, *v.shape[-2:]) for v in (p, low, high))
    if adjoint == left:
        half = _triangular(_adjoint(high), right, upper=False)
        found = p @ _triangular(_adjoint(low), half, upper=True)
    else:
        half = _triangular(low, _adjoint(p) @ right, upper=False)
        found = _triangular(high, half, upper=True)
    return found if left else _adjoint(found)


@expands("_linalg_eigvals")
def eigenvalues(x: Tensor) -> Tensor:
    """The eigenvalues of any square matrix."""
    return aten.linalg_eig(x)[0]


@expands("_trilinear")
def trilinear(
    x: Tensor, y: Tensor, z: Tensor, expand1: Any, expand2: Any, expand3: Any, sumdim: Any,
    unroll_dim: int = 1,
) -> Tensor:  # fmt: skip
    """The sum over some dimensions of x y z, each given new dimensions first."""
    given = ((x, expand1), (y, expand2), (z, expand3))
    parts: list[Tensor] = []
    for part, dims in given:
        for dim in sorted(dims):
            part = part.unsqueeze(dim)
        parts.append(part)
    made = parts[0] * parts[1] * parts[2]
    # A sum of integers would be int64; torch adds them up in their own type, which wraps.
    return made.sum(list(sumdim), dtype=made.dtype) if sumdim else made


@expands("mm.dtype", "bmm.dtype")
def mm_to(x: Tensor, y: Tensor, out_dtype: torch.dtype) -> Tensor:
    """X @ y summed and returned in another type."""
    return x.to(out_dtype) @ y.to(out_dtype)


@expands("_int_mm")
def int_mm(x: Tensor, y: Tensor) -> Tensor:
    """X @ y of int8, in int32."""
    return x.to(torch.int32) @ y.to(torch.int32)


@expands("conv_tbc")
def conv_tbc(x: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """x[T, B, I] convolved in time with weight[K, I, O]."""
    made = aten.convolution(
        x.permute(1, 2, 0), weight.permute(2, 1, 0), bias, [1], [pad], [1], False, [0], 1
    )
    return made.permute(2, 0, 1)
