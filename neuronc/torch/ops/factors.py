"""Factors of matrices: LAPACK's routines in the library, called as JAX calls them on CPU."""

from __future__ import annotations

from collections.abc import Mapping

from jaxlib.mlir import ir

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import is_complex, tensor_type
from neuronc.torch.ops.linear_algebra import factored, permutation, swapped
from neuronc.torch.scope import Scope
from neuronc.torch.table import aten

_LETTER = {"f32": "s", "f64": "d", "complex<f32>": "c", "complex<f64>": "z"}
Shape = tuple[int, ...]


def part_of(element: str) -> str:
    """The real element of a complex one."""
    return element[len("complex<") : -1] if is_complex(element) else element


def routine(
    b: Build, names: Mapping[bool, str], operands: list[Value], results: list[tuple[Shape, str]],
    **options: str | bool,
) -> list[Value]:  # fmt: skip
    """A routine, by its names for real and complex matrices; letters go by their codes."""
    element = element_of(operands[0])
    target = f"lapack_{_LETTER[element]}{names[is_complex(element)]}_ffi"
    given = ", ".join(f"{name} = {_option(value)}" for name, value in options.items())
    made = b.op(
        "stablehlo.custom_call",
        operands,
        [tensor_type(shape, kind) for shape, kind in results],
        call_target_name=ir.StringAttr.get(target),
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
        backend_config=ir.Attribute.parse(f"{{{given}}}"),
    )
    return list(made.results)


def _option(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{ord(value)} : ui8"


def _same(name: str) -> Mapping[bool, str]:
    return {False: name, True: name}


def triangle_of(b: Build, x: Value, *, upper: bool, unit: bool = False) -> Value:
    """One triangle with its diagonal, which is 1 if `unit`; the rest 0."""
    shape = shape_of(x)
    row, column = (b.iota(shape, len(shape) - k, "i32") for k in (2, 1))
    kept = b.compare("LE" if upper else "GE", row, column)
    made = b.select(kept, x, b.like(0, x))
    return b.select(b.compare("EQ", row, column), b.like(1, x), made) if unit else made


def _corner(b: Build, x: Value, rows: int, columns: int) -> Value:
    """x[..., :rows, :columns]."""
    rank = len(shape_of(x))
    return b.slice_dim(b.slice_dim(x, rank - 2, 0, rows), rank - 1, 0, columns)


def reflected(b: Build, x: Value) -> tuple[Value, Value]:
    """R with the reflectors below it, and their factors[..., min(M, N)]."""
    *batch, m, n = shape_of(x)
    element = element_of(x)
    made = routine(
        b, _same("geqrf"), [x], [((*batch, m, n), element), ((*batch, min(m, n)), element)]
    )
    return made[0], made[1]


def orthogonal(b: Build, packed: Value, factors: Value) -> Value:
    """The first columns of H(1) H(2) .. H(k), as many as are given."""
    names = {False: "orgqr", True: "ungqr"}
    return routine(b, names, [packed, factors], [(shape_of(packed), element_of(packed))])[0]


@aten("geqrf")
def geqrf(s: Scope, x: Value) -> list[Value]:
    """R with the reflectors below it, and their factors."""
    return list(reflected(s.b, x))


@aten("linalg_qr")
def qr(s: Scope, x: Value, mode: str = "reduced") -> list[Value]:
    """Q R = x[..., M, N], of the least extents, or Q square (complete); Q is empty for `r`."""
    b, (*_, m, n) = s.b, shape_of(x)
    packed, factors = reflected(b, x)
    rows = m if mode == "complete" else min(m, n)
    upper = triangle_of(b, _corner(b, packed, rows, n), upper=True)
    if mode == "r":
        return [b.splat(0, s.out.shape, s.out.element), upper]
    used = _corner(b, packed, m, min(rows, n))
    if rows > n:
        rank = len(shape_of(x))
        edges = [0] * rank
        edges[-1] = rows - n
        used = b.pad(used, b.splat(0, (), element_of(x)), [0] * rank, edges)
    return [orthogonal(b, used, factors), upper]


@aten("linalg_householder_product")
def householder_product(s: Scope, x: Value, factors: Value) -> Value:
    """The first columns of H(1) H(2) .. H(k)."""
    return orthogonal(s.b, x, factors)


@aten("ormqr")
def ormqr(
    s: Scope, x: Value, factors: Value, y: Value, left: bool = True, transpose: bool = False
) -> Value:
    """Q y, Q^H y, y Q or y Q^H."""
    names = {False: "ormqr", True: "unmqr"}
    result = [(shape_of(y), element_of(y))]
    return routine(s.b, names, [x, factors, y], result, left=left, transpose=transpose)[0]


@aten("_linalg_eigh")
def eigh(s: Scope, x: Value, uplo: str = "L", compute_v: bool = True) -> list[Value]:
    """Ascending eigenvalues of symmetric matrices, and their vectors in columns."""
    *batch, n, _ = shape_of(x)
    results = [
        (shape_of(x), element_of(x)), ((*batch, n), part_of(element_of(x))), (tuple(batch), "i32"),
    ]  # fmt: skip
    names = {False: "syevd", True: "heevd"}
    vectors, values, _ = routine(s.b, names, [x], results, mode="V", uplo=uplo[0].upper())
    return [values, vectors if compute_v else s.b.splat(0, (0,), element_of(x))]


@aten("_linalg_svd")
def svd(
    s: Scope, x: Value, full_matrices: bool = False, compute_uv: bool = True, *,
    driver: str | None = None,
) -> list[Value]:  # fmt: skip
    """U, descending singular values, and V^H."""
    b, element = s.b, element_of(x)
    *batch, m, n = shape_of(x)
    k = min(m, n)
    rows, columns = (m, n) if full_matrices else (k, k)
    results = [
        ((*batch, m, n), element), ((*batch, k), part_of(element)), ((*batch, m, rows), element),
        ((*batch, columns, n), element), (tuple(batch), "i32"),
    ]  # fmt: skip
    mode = ("A" if full_matrices else "S") if compute_uv else "N"
    _, sizes, u, vh, _ = routine(b, _same("gesdd"), [x], results, mode=mode)
    empty = b.splat(0, (0,), element)
    return [u, sizes, vh] if compute_uv else [empty, sizes, empty]


@aten("linalg_eig")
def eig(s: Scope, x: Value) -> list[Value]:
    """Eigenvalues and right eigenvectors of any square matrices, complex."""
    b, element = s.b, element_of(x)
    *batch, n, _ = shape_of(x)
    real, kind = part_of(element), f"complex<{part_of(element)}>"
    parts = 1 if is_complex(element) else 2
    values = [((*batch, n), kind if parts == 1 else real)] * parts
    results = [*values, *[((*batch, n, n), kind)] * 2, (tuple(batch), "i32")]
    made = routine(b, _same("geev"), [x], results, compute_left="N", compute_right="V")
    found = made[0] if parts == 1 else b.one("complex", made[:2], (*batch, n), kind)
    return [found, made[parts + 1]]


def _unpacked(s: Scope, lu: Value, pivots: Value) -> list[Value]:
    """P, L, U with P L U the matrix."""
    b, (*_, m, n) = s.b, shape_of(lu)
    k = min(m, n)
    order = swapped(b, permutation(b, pivots, m, element_of(lu)))
    lower = triangle_of(b, _corner(b, lu, m, k), upper=False, unit=True)
    return [order, lower, triangle_of(b, _corner(b, lu, k, n), upper=True)]


@aten("lu_unpack")
def lu_unpack(
    s: Scope, lu: Value, pivots: Value, unpack_data: bool = True, unpack_pivots: bool = True
) -> list[Value]:
    """P, L, U of packed factors; what is not asked for is empty."""
    made = _unpacked(s, lu, pivots)
    wanted = (unpack_pivots, unpack_data, unpack_data)
    empty = s.b.splat(0, (0,), element_of(lu))
    return [v if asked else empty for v, asked in zip(made, wanted, strict=True)]


@aten("linalg_lu")
def lu_of(s: Scope, x: Value, *, pivot: bool = True) -> list[Value]:
    """P, L, U with P L U = x."""
    lu, pivots, _ = factored(s.b, x)
    return _unpacked(s, lu, pivots)
