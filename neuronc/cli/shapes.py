"""The options that fill in dynamic shapes: `--shape ARG=4x128` and `--symbol NAME=4`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from neuronc.inputs import Shapes


def configure_shapes(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--shape",
        type=_shape,
        action="append",
        default=[],
        metavar="ARG=4x128",
        help="the shape of an argument, by its name or as arg0, arg1, ...",
    )
    parser.add_argument(
        "--symbol",
        type=_symbol,
        action="append",
        default=[],
        metavar="NAME=4",
        help="the extent of a symbol in dynamic shapes",
    )


def shapes_of(args: Namespace) -> Shapes:
    """What the options say."""
    return dict([*args.shape, *args.symbol])


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, extents = text.rpartition("=")
    if not name or not all(word.isdecimal() for word in extents.split("x")):
        raise ArgumentTypeError(f"{text!r} is not like x=4x128")
    return name, tuple(map(int, extents.split("x")))


def _symbol(text: str) -> tuple[str, int]:
    name, _, extent = text.rpartition("=")
    if not name or not extent.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not like b=4")
    return name, int(extent)
