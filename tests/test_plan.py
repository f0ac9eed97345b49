"""The plan of buffers, against the program: both are run on symbols instead of numbers.

A symbol says how a value was made. The program is run by its values; the plan by its bytes, where
a write takes away what overlaps it. Whatever the plan reads, and leaves in the outputs, must be
the symbol that the program has there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue

from neuronc.artifact.model import Buffer, BufferKind, Call, Case, Step, While
from neuronc.backend.overwrite import Overwrites
from neuronc.backend.plan import Plan, plan
from neuronc.backend.signature import signature
from neuronc.dialects.program import CallOp, KernelOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.control import CaseOp, IfOp, WhileOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.hardware import TRN2
from neuronc.passes.tile_index import ties_of
from neuronc.passes.tiled import Tiled
from neuronc.passes.unroll import Unroll
from neuronc.pipeline import Options, ignore, lower

Symbol = tuple[Any, ...]
RUNS = 3
"""How often every loop runs."""


class Choices:
    """Which branch each case takes, the same for the program and the plan; and what they asked."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self.asked: list[Symbol] = []

    def next(self, symbol: Symbol, branches: int) -> int:
        self.asked.append(symbol)
        return self._chance.randrange(branches)

    def loops(self, symbol: Symbol) -> None:
        self.asked.append(symbol)


def symbol_of(callee: str, inputs: Sequence[Symbol], result: int) -> Symbol:
    return ("copy", *inputs) if callee.startswith("copy_") else (callee, *inputs, result)


def run_program(block: Block, values: dict[SSAValue, Symbol], choices: Choices) -> list[Symbol]:
    """The symbols that a block ends with."""
    for op in block.ops:
        if isinstance(op, ReshapeOp) and op.operands[0] in values:
            values[op.results[0]] = values[op.operands[0]]
        elif isinstance(op, ConstantOp):
            values[op.results[0]] = constant(op.value.data.array)
        elif isinstance(op, CallOp):
            inputs = [values[v] for v in op.operands]
            for i, result in enumerate(op.results):
                values[result] = symbol_of(callee_of(op), inputs, i)
        elif isinstance(op, WhileOp):
            values.update(zip(op.results, run_loop(op, values, choices), strict=True))
        elif isinstance(op, IfOp | CaseOp):
            number = choices.next(values[op.operands[0]], len(op.regions))
            region = op.regions[1 - number if isinstance(op, IfOp) else number]
            ends = run_program(region.block, values, choices)
            values.update(zip(op.results, ends, strict=True))
    last = block.last_op
    assert last is not None
    return [values[v] for v in last.operands]


def run_loop(op: WhileOp, values: dict[SSAValue, Symbol], choices: Choices) -> list[Symbol]:
    condition, body = (region.block for region in op.regions)
    carried = [values[v] for v in op.operands]
    for turn in range(RUNS + 1):
        values.update(zip(condition.args, carried, strict=True))
        choices.loops(run_program(condition, values, choices)[0])
        if turn < RUNS:
            values.update(zip(body.args, carried, strict=True))
            carried = run_program(body, values, choices)
    return carried


def callee_of(op: Operation) -> str:
    callee = op.attributes["callee"]
    assert isinstance(callee, SymbolRefAttr)
    return callee.root_reference.data


class Memory:
    """The bytes of the plan's buffers, by the symbols that they hold."""

    def __init__(self, made: Plan, module: ModuleOp) -> None:
        self._buffers, self._kernels = made.buffers, made.kernels
        self._tied = tied_kernels(module)
        self._ops = {n: k for n, k in kernels_of(module).items() if not n.startswith("copy_")}
        self._overwrites = Overwrites(TRN2, Tiled())
        self._donated = donated_of(module)
        self._held: dict[int, Symbol] = {}
        for number, buffer in enumerate(made.buffers):
            if buffer.kind is BufferKind.INPUT:
                self._held[number] = ("input", buffer.index)
            elif buffer.kind is BufferKind.CONSTANT:
                self._held[number] = constant(made.constants[buffer.index].array)

    def run(self, steps: Sequence[Step], choices: Choices) -> None:
        """Execute steps."""
        for step in steps:
            match step:
                case Call():
                    self._call(step)
                case While():
                    for turn in range(RUNS + 1):
                        self.run(step.condition, choices)
                        choices.loops(self.read(step.predicate))
                        self.run(step.body if turn < RUNS else (), choices)
                case Case():
                    number = choices.next(self.read(step.index), len(step.branches))
                    self.run(step.branches[number], choices)

    def read(self, number: int) -> Symbol:
        """What a buffer holds; nothing may have been written over it."""
        assert number in self._held, f"buffer {number} holds nothing"
        return self._held[number]

    def _may(self, name: str, operand: int, result: int, step: Call) -> bool:
        """Whether the kernel writes each byte of the operand after it has read it."""
        if name not in self._ops or self._tied[name][1]:
            return False
        kernel = self._ops[name]
        same = step.buffers[operand] == step.buffers[len(kernel.body.block.args) + result]
        return same and self._overwrites.may(kernel, operand, result)

    def _call(self, step: Call) -> None:
        name = self._kernels[step.kernel]
        count, tied = self._tied.get(name, (1, False))
        inputs, outputs = step.buffers[:count], step.buffers[count:]
        symbols = [self.read(i) for i in inputs]
        apart = inputs
        if tied:
            assert outputs[0] == inputs[0]
            apart = inputs[1:]
        for i, output in enumerate(outputs):
            others = [other for at, other in enumerate(apart) if not self._may(name, at, i, step)]
            assert not any(self._meet(output, other) for other in (*others, *outputs[:i]))
        for i, output in enumerate(outputs):
            self._write(output, symbol_of(name, symbols, i))

    def _write(self, number: int, symbol: Symbol) -> None:
        buffer = self._buffers[number]
        donated = buffer.kind is BufferKind.INPUT and buffer.index in self._donated
        assert donated or buffer.kind in (BufferKind.OUTPUT, BufferKind.TEMPORARY)
        self._held = {n: s for n, s in self._held.items() if not self._meet(n, number)}
        # A copy is what it copies.
        self._held[number] = symbol[1] if symbol[0] == "copy" else symbol

    def _meet(self, one: int, other: int) -> bool:
        a, b = self._buffers[one], self._buffers[other]
        if a.kind is not BufferKind.TEMPORARY or b.kind is not BufferKind.TEMPORARY:
            return one == other
        return one == other or (a.offset < end(b) and b.offset < end(a))


def donated_of(module: ModuleOp) -> dict[int, int]:
    """Output by the input that is donated to it."""
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    inputs, _ = signature(main)
    return {i: info.donated for i, info in enumerate(inputs) if info.donated >= 0}


def outputs_of(made: Plan, module: ModuleOp) -> dict[int, int]:
    """The buffer of each output: its own, or that of the input donated to it."""
    taken = {
        donated_of(module)[b.index]: n
        for n, b in enumerate(made.buffers)
        if b.kind is BufferKind.INPUT and b.index in donated_of(module)
    }
    return taken | {b.index: n for n, b in enumerate(made.buffers) if b.kind is BufferKind.OUTPUT}


def end(buffer: Buffer) -> int:
    return buffer.offset + buffer.bytes


def kernels_of(module: ModuleOp) -> dict[str, KernelOp]:
    """Kernels by name."""
    ops = [op for op in module.body.block.ops if isinstance(op, KernelOp)]
    return {op.attributes["sym_name"].data: op for op in ops}  # pyright: ignore


def tied_kernels(module: ModuleOp) -> dict[str, tuple[int, bool]]:
    """Number of inputs of each kernel, and whether it updates the first in place."""
    return {
        name: (len(op.body.block.args), any(ties_of(inner) for inner in op.body.block.ops))
        for name, op in kernels_of(module).items()
    }


def constant(array: np.ndarray) -> Symbol:
    """Small constants are the same if they are equal, large ones if they are one array."""
    same = (array.dtype, array.shape, array.tobytes()) if array.size <= 16 else (id(array),)
    return ("constant", *same)


def assert_planned(fn: Callable[..., Any], *args: Any, donated: tuple[int, ...] = ()) -> Plan:
    """Plan a program and compare it with the program, three times with other choices."""
    return assert_source_planned(jax.jit(fn, keep_unused=True, donate_argnums=donated).lower(*args))


def assert_source_planned(source: Any) -> Plan:
    module, _ = lower(source, "plan", Options(stop_after="fused"), ignore)
    # The plan is of one list of calls: repeated layers are functions until the pass before it.
    Unroll().apply(Context(), module)
    made = plan(module, TRN2, Tiled())
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    for seed in range(3):
        values: dict[SSAValue, Symbol] = {
            a: ("input", i) for i, a in enumerate(main.body.block.args)
        }
        asked, answered = Choices(seed), Choices(seed)
        wanted = run_program(main.body.block, values, asked)
        memory = Memory(made, module)
        memory.run(made.steps, answered)
        outputs = outputs_of(made, module)
        assert [memory.read(outputs[i]) for i in range(len(outputs))] == wanted
        assert asked.asked == answered.asked
    return made


def copies(made: Plan) -> int:
    """How many steps copy, inside loops and branches too."""

    def count(steps: Sequence[Step]) -> int:
        total = 0
        for step in steps:
            match step:
                case Call():
                    total += made.kernels[step.kernel].startswith("copy_")
                case While():
                    total += count(step.condition) + count(step.body)
                case Case():
                    total += sum(count(branch) for branch in step.branches)
        return total

    return count(made.steps)


def bytes_of(made: Plan) -> list[int]:
    return [b.bytes for b in made.buffers if b.kind is BufferKind.TEMPORARY]


WEIGHT = np.arange(16, dtype=np.float32).reshape(4, 4)
X = jax.ShapeDtypeStruct((8, 4), jnp.float32)
INDEX = jax.ShapeDtypeStruct((), jnp.int32)
IDS = jax.ShapeDtypeStruct((3,), jnp.int32)


def put(x: jax.Array, row: jax.Array, i: Any) -> jax.Array:
    """An update in place."""
    return lax.dynamic_update_slice(x, row, (i, 0))


def product(x: jax.Array) -> jax.Array:
    """A kernel of its own."""
    return x @ WEIGHT


def test_a_result_is_computed_into_its_output() -> None:
    made = assert_planned(product, X)
    assert len(made.steps) == 1
    assert not bytes_of(made)


def test_inputs_and_constants_can_be_outputs_and_one_value_can_be_two() -> None:
    def program(x: jax.Array) -> Any:
        y = product(x)
        return x, y, y, WEIGHT, y.reshape(4, 8)

    assert copies(assert_planned(program, X)) == 4


def test_an_update_of_a_dead_value_is_in_place() -> None:
    made = assert_planned(lambda x, i: put(product(x), x[:2] + 1, i), X, INDEX)
    assert copies(made) == 0


def test_an_update_of_an_input_or_of_a_value_read_later_works_on_a_copy() -> None:
    assert copies(assert_planned(lambda x, i: put(x, x[:2] + 1, i), X, INDEX)) == 1

    def program(x: jax.Array, i: jax.Array) -> Any:
        y = product(x)
        return put(y, x[:2] + 1, i), product(y)

    assert copies(assert_planned(program, X, INDEX)) == 1


def test_a_chain_of_updates_copies_once() -> None:
    def program(x: jax.Array, i: jax.Array) -> jax.Array:
        y = x
        for turn in range(4):
            y = put(y, product(x)[:2] + turn, i + turn)
        return y

    assert copies(assert_planned(program, X, INDEX)) == 1


def test_an_update_through_reshapes_is_in_place() -> None:
    def program(x: jax.Array, i: jax.Array) -> jax.Array:
        flat = product(x).reshape(32)
        return lax.dynamic_update_slice(flat, x.reshape(32)[:3], (i,)).reshape(4, 8)

    assert copies(assert_planned(program, X, INDEX)) == 0


def outputs_with_bytes(made: Plan) -> int:
    return sum(b.kind is BufferKind.OUTPUT for b in made.buffers)


def test_an_update_of_a_donated_input_is_in_place() -> None:
    def program(x: jax.Array, y: jax.Array, i: jax.Array) -> Any:
        x = put(x, product(y)[:2], i)
        return x, product(x)

    made = assert_planned(program, X, X, INDEX, donated=(0,))
    assert (copies(made), outputs_with_bytes(made)) == (0, 1)


def test_a_donated_input_that_is_read_later_keeps_its_bytes() -> None:
    def program(x: jax.Array, i: jax.Array) -> Any:
        return put(x, x[:2] + 1, i), product(x)

    made = assert_planned(program, X, INDEX, donated=(0,))
    assert (copies(made), outputs_with_bytes(made)) == (1, 2)


def test_a_loop_updates_a_donated_input_in_place() -> None:
    def program(x: jax.Array, y: jax.Array) -> jax.Array:
        x = put(x, y[:2], 1)
        return lax.fori_loop(0, 5, lambda i, c: put(c, y[:1], i), x)

    made = assert_planned(program, X, X, donated=(0,))
    assert not outputs_with_bytes(made)
    assert sum(b >= 128 for b in bytes_of(made)) == 0


def test_donated_inputs_may_swap_or_come_back_as_they_are() -> None:
    made = assert_planned(lambda x, y: (y, x), X, X, donated=(0, 1))
    assert outputs_with_bytes(made) == 2
    assert_planned(lambda x, y: (x, x, product(y)), X, X, donated=(0, 1))


def test_what_an_update_reads_is_not_what_it_overwrites() -> None:
    def program(x: jax.Array, ids: jax.Array) -> jax.Array:
        y = product(x)
        return y.at[ids].add(y[:3])

    assert_planned(program, X, IDS)


def test_a_loop_updates_its_variable_in_place() -> None:
    def program(x: jax.Array, y: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 5, lambda i, c: put(c, y[:1], i), x)

    made = assert_planned(program, X, X)
    # The start, x, is copied; the counter may be.
    assert sum(b >= 128 for b in bytes_of(made)) == 0


def test_loop_variables_may_swap_rotate_and_repeat() -> None:
    def program(x: jax.Array, y: jax.Array) -> Any:
        def body(_: Any, carry: Any) -> Any:
            a, b, *_ = carry
            return b, a, product(a), a

        return lax.fori_loop(0, 5, body, (x, y, x, product(x)))

    assert_planned(program, X, X)


def test_one_value_can_start_two_loop_variables() -> None:
    def program(x: jax.Array) -> Any:
        y = product(x)
        a, b = lax.fori_loop(0, 5, lambda _, c: (product(c[0]), product(c[1]) + c[0]), (y, y))
        return product(a), product(b)

    assert_planned(program, X)


def test_a_loop_takes_over_the_bytes_of_its_start_only_if_nobody_reads_it_later() -> None:
    def program(x: jax.Array) -> Any:
        y = product(x)
        z = lax.fori_loop(0, 5, lambda _, c: product(c), y)
        return product(z), product(y)

    assert_planned(program, X)


def test_a_variable_that_is_read_after_its_next_value_is_made_keeps_its_bytes() -> None:
    def program(x: jax.Array) -> Any:
        def body(_: Any, carry: Any) -> Any:
            a, b = carry
            new = product(a)
            return new, product(b) @ WEIGHT + a @ WEIGHT

        return lax.fori_loop(0, 5, body, (x, x))

    assert_planned(program, X)


def test_loops_in_loops_and_values_from_outside() -> None:
    def program(x: jax.Array, y: jax.Array, i: jax.Array) -> Any:
        z = product(y)

        def inner(j: Any, c: jax.Array) -> jax.Array:
            return put(c, z[:1] + c[:1], j)

        def outer(j: Any, carry: Any) -> Any:
            a, _ = carry
            return lax.fori_loop(0, j, inner, a), product(a) + z

        return lax.fori_loop(0, i, outer, (x, y)), product(z)

    assert_planned(program, X, X, INDEX)


def test_branches_write_the_same_results_and_may_hand_on_what_they_are_given() -> None:
    def program(x: jax.Array, y: jax.Array, i: jax.Array) -> Any:
        z = product(y)
        branches = [
            lambda a, b: (a, b),
            lambda a, b: (b, a),
            lambda a, b: (product(a), product(a)),
            lambda a, b: (put(a, b[:1], i), z),
        ]
        one, two = lax.switch(i, branches, x, z)
        return lax.cond(i > 2, lambda: (one, product(two)), lambda: (two, z)), one

    assert_planned(program, X, X, INDEX)


def test_the_first_region_of_an_if_is_for_true() -> None:
    """JAX writes every branch as a case; others write this."""
    assert_source_planned("""
    func.func public @main(%p: tensor<i1>, %x: tensor<8xf32>) -> tensor<8xf32> {
      %y = "stablehlo.if"(%p) ({
        %a = stablehlo.exponential %x : tensor<8xf32>
        stablehlo.return %a : tensor<8xf32>
      }, {
        stablehlo.return %x : tensor<8xf32>
      }) : (tensor<i1>) -> tensor<8xf32>
      return %y : tensor<8xf32>
    }""")


def test_branches_in_a_loop() -> None:
    def program(x: jax.Array, i: jax.Array) -> Any:
        def body(j: Any, carry: Any) -> Any:
            a, b = carry
            a, b = lax.cond(j > i, lambda: (product(a), a), lambda: (b, put(a, b[:1], j)))
            return put(a, b[:2], j), b

        return lax.fori_loop(0, 5, body, (x, product(x)))

    assert_planned(program, X, INDEX)


def test_temporaries_that_are_not_alive_together_share_bytes() -> None:
    def program(x: jax.Array) -> jax.Array:
        for _ in range(10):
            x = product(x)
        return x

    made = assert_planned(program, X)
    assert len(bytes_of(made)) == 9
    assert made.temporary_bytes == 2 * 128


def random_program(chance: Random, depth: int = 0) -> Callable[..., Any]:
    """A function of (values, i) to a new list of values: a few random steps, loops and branches."""
    kinds = ["product", "put", "scatter", "drop", "repeat", "reshape"]
    kinds += ["loop", "branch"] * (depth < 2)
    steps = [(chance.choice(kinds), chance.random(), chance.random()) for _ in range(5)]
    inner = [random_program(chance, depth + 1) for _ in range(2)] if depth < 2 else []

    def program(values: list[jax.Array], i: Any) -> list[jax.Array]:
        values = list(values)
        for kind, p, q in steps:
            at, other = int(p * len(values)), int(q * len(values))
            x, y = values[at], values[other]
            match kind:
                case "product":
                    values[at] = product(x)
                case "put":
                    values[at] = put(x, y[:2], i)
                case "scatter":
                    values[at] = x.at[jnp.stack([i, i + 1, i])].add(y[:3])
                case "drop":
                    values[at] = y
                case "repeat":
                    values[at], values[other] = y, x
                case "reshape":
                    values[at] = x.reshape(4, 8).reshape(8, 4)
                case "loop":
                    values = lax.fori_loop(0, i, lambda j, v: inner[0](v, j), values)
                case _:
                    values = lax.cond(
                        i > 3, lambda v: inner[0](v, i), lambda v: inner[1](v, i), values
                    )
        return values

    return program


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("donated", [(), (0, 1, 2)])
def test_a_random_program_is_planned_right(seed: int, donated: tuple[int, ...]) -> None:
    made = random_program(Random(seed))
    assert_planned(lambda x, y, z, i: made([x, y, product(z)], i), X, X, X, INDEX, donated=donated)
