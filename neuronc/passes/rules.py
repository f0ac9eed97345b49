"""Every rule of fusion: what it sees, which pass applies it, and how to tell that it did.

A rule looks at structure: what operations compute, over which space, and who else reads them; never
at a name. Each has two goldens under tests/golden/passes: `<pass>-<rule>`, where it fires, and
`<pass>-<rule>-not`, where it must not. tests/test_rules.py holds this list and those files to each
other, and docs/passes.py makes the table of both.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuronc.passes.match_activation import OPS


@dataclass(frozen=True)
class Rule:
    """One way in which operations become one."""

    step: str
    """The pass that applies it."""
    name: str
    sees: str
    """What it is about, as a phrase."""
    leaves: str = ""
    """What the IR holds only after it fired; where it is one kernel that tells, nothing."""
    removes: str = ""
    """What the IR holds only before it fired."""

    @property
    def golden(self) -> str:
        """The case where it fires; that where it must not is `-not` besides."""
        return f"{self.step}-{self.name}"

    def fired(self, printed: str) -> bool:
        """Whether it did, from the IR of a program that it is all about."""
        if not self.leaves and not self.removes:
            return printed.count('"program.fusion"(') == 1
        gone = not self.removes or self.removes not in printed
        return gone and self.leaves in printed


def _kernels() -> tuple[Rule, ...]:
    """What `fuse` makes one kernel."""
    rows = {
        "chain": "elementwise operations in a row",
        "chains-that-meet": "two chains over one space, and what reads both",
        "reduction-of-chain": "a reduction, and what makes its operand",
        "chain-of-reduction": "a reduction, and what reads its result beside its operand",
        "softmax": "a softmax: two reductions of the same rows",
        "layer-norm": "a layer norm, the residual sum before it and casts around it",
        "rms-norm": "an RMS norm and casts around it",
        "bias-epilogue": "a contraction and its bias",
        "residual-epilogue": "a contraction and a residual sum",
        "gelu-tanh-epilogue": "a contraction and GELU in its tanh form",
        "gelu-erf-epilogue": "a contraction and GELU in its erf form",
        "silu-epilogue": "a contraction and SiLU",
        "convolution-epilogue": "a convolution, its bias and ReLU",
    }
    return tuple(Rule("fuse", name, sees) for name, sees in rows.items())


def _activations() -> tuple[Rule, ...]:
    """One for each function of the scalar engine that programs write out."""
    return tuple(
        Rule(
            "match-activation",
            name.replace("_", "-"),
            f"{name.replace('_', ' ')}, written out in any order",
            f'"{op.name}"(',
        )
        for name, op in OPS.items()
    )


def _attentions() -> tuple[Rule, ...]:
    """What may lie between the two contractions of an attention."""
    rows = {
        "plain": "two contractions, and a softmax over what the second sums",
        "causal": "the same behind a causal mask, which compares positions",
        "window": "behind a causal mask and a sliding window",
        "bias": "with a bias on the scores",
        "mask": "behind a mask that is data, as of padding",
        "cap": "with a soft cap of the scores",
        "shared-keys": "with heads of queries that share keys and values",
        "safe": "with weights of 0 where a whole row of scores is -inf",
        "safe-sums": "with a maximum and a sum that are finite there",
        "reciprocal": "with a product for the softmax's division",
    }
    made = '{kind = "attention"}'
    joint = "a mask of which a part compares positions"
    return (
        *(Rule("match-attention", name, sees, made) for name, sees in rows.items()),
        Rule("match-attention", "joint-masks", joint, removes="stablehlo.and"),
    )


RULES = (
    *_kernels(),
    *_activations(),
    Rule(
        "match-rotary",
        "halves",
        "a rotary embedding with its halves swapped and one negated",
        removes="stablehlo.concatenate",
    ),
    Rule(
        "match-rotary",
        "products",
        "a rotary embedding of two halves, computed apart",
        removes="stablehlo.concatenate",
    ),
    Rule(
        "match-rotary",
        "pairs",
        "a rotary embedding of neighbours",
        removes="stablehlo.concatenate",
    ),
    *_attentions(),
    Rule(
        "tile-kernels",
        "online-softmax",
        "scores of more keys than fit in PSUM: maximum and sum run along",
        "tile.map_tensor",
    ),
    Rule(
        "tile-kernels",
        "several-heads",
        "short rows of scores of several heads: side by side, in one instruction each",
        "heads side by side",
    ),
    Rule(
        "tile-kernels",
        "few-queries",
        "attention of few queries a head: the scores of all heads on all partitions",
        removes="tile.map_pair",
    ),
    Rule(
        "tile-kernels",
        "drain",
        "a product of small floats that one operation reads: from PSUM, rounded once",
        removes="tile.cast",
    ),
    Rule("fuse-activation", "scale", "a product with a number, then a function", "scale = "),
    Rule("fuse-activation", "bias", "a sum with a column, then a function", '"bias"'),
    Rule(
        "fuse-scalars", "pair", "two functions of a block and a number or column", "tile.map_pair"
    ),
    Rule(
        "fuse-tensor",
        "scaled-sum",
        "a function of a block and a number or column, then one of two blocks",
        "tile.map_tensor",
    ),
)
"""All of them, in the order of the table in docs/passes.md."""
