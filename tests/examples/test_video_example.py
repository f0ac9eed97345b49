"""The video model, frame by frame, against eager torch."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")

import video  # noqa: E402

from neuronc.report import report_of  # noqa: E402
from neuronc.residency import residency  # noqa: E402
from neuronc.units import format_bytes  # noqa: E402

TINY = video.Config(size=16, channels=4, width=16, heads=2, layers=2, steps=2, context=2)


def test_frames_and_cache_are_those_of_eager() -> None:
    """More frames than the cache holds, so that the ring comes around."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = video.VideoModel(TINY).eval()
    reference, address = copy.deepcopy(model), model.cache.data_ptr()
    stream = video.Stream(model)
    twin = video.Stream(reference)
    for frame in video.input_frames(TINY.size, 4):
        ours = stream(frame)
        with torch.no_grad():
            wanted = reference(*twin.arguments(frame))[0]
        # Sums over at most 64 terms in float32, through 2 x 2 blocks and 4 convolutions.
        torch.testing.assert_close(ours, wanted, rtol=2e-5, atol=2e-5)
        torch.testing.assert_close(model.cache, reference.cache, rtol=2e-5, atol=2e-5)
    assert model.cache.data_ptr() == address
    (program,) = stream.programs
    assert address in {array.ctypes.data for array in program.bound.values()}


def test_the_report_counts_what_the_frame_moves() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    stream = video.Stream(video.VideoModel(TINY).eval())
    stream(next(video.input_frames(TINY.size, 1)))
    (program,) = stream.programs
    report, handed = report_of(program.artifact), residency(program.artifact)
    # The scores of a head, of both steps and layers, are never in HBM.
    scores = 4 * TINY.heads * TINY.patches * (1 + TINY.context) * TINY.patches
    assert handed.chip_bytes > TINY.steps * TINY.layers * scores
    assert 0 < handed.stored_bytes + handed.loaded_bytes < report.hbm_moved_bytes
    text = video.describe(program.artifact)
    for said in (
        f"{format_bytes(report.footprint.total_bytes)}, of it activations",
        f"{format_bytes(report.hbm_moved_bytes)}, of it activations",
        f"{format_bytes(handed.chip_bytes)} on chip",
        f"{format_bytes(handed.stored_bytes)} through HBM",
        f"{1 / report.seconds:.1f} frames/s",
    ):
        assert said in text


def test_the_command_writes_frames_and_says_what_one_takes(tmp_path: Path) -> None:
    command = [sys.executable, video.__file__, "-o", str(tmp_path)]
    command += ["--frames", "2", "--size", "16", "--steps", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for words in ("HBM", "SBUF", "estimated", "frames/s"):
        assert words in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "frame000.png",
        "frame001.png",
        "video.gif",
    ]
