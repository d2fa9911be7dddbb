"""Every parser of foreign bytes against mutated and drawn inputs: it answers or refuses in one line, and never breaks."""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.targets import TARGETS, try_one
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MEMORY = 2 * 2**30
QUICK = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "hash_id",
                    "tags",
                    "user",
                    "assets",
                    "objectIDs",
                    "total",
                    "image_url",
                    "salt",
                    "hashes",
                    "superseded",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A whole input with some bytes replaced, cut out, doubled or added."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        long = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(("replace", "cut", "double", "add", "end")))
        if kind == "replace":
            data[at : at + long] = draw(st.binary(min_size=long, max_size=long))
        elif kind == "cut":
            del data[at : at + long]
        elif kind == "double":
            data[at:at] = data[at : at + long]
        elif kind == "add":
            data[at:at] = draw(st.binary(max_size=12))
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_whole_inputs_are_understood(name: str) -> None:
    parser, seeds = TARGETS[name]
    for seed in seeds:
        try_one(name, seed)
    assert callable(parser)


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs(name: str) -> None:
    @QUICK
    @given(mutated(TARGETS[name][1]))
    def run(data: bytes) -> None:
        try_one(name, data)

    run()


@pytest.mark.parametrize("name", [name for name, (_, seeds) in TARGETS.items() if seeds[0][:1] in b"{["])
def test_any_json(name: str) -> None:
    import json

    @QUICK
    @given(JSON)
    def run(value: object) -> None:
        try_one(name, json.dumps(value).encode())

    run()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rights", "picture", "tombstones", "robots"])
def test_guided_by_coverage_for_a_moment(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("Atheris is not installed (the extra 'fuzz'); the mutated inputs above still run")
    tests = Path(__file__).parents[1]
    # The peak that libFuzzer reads is inherited from this process, which other tests have made large; the kernel holds
    # the fuzzer to the same two gigabytes instead.
    limits = ["-rss_limit_mb=0", "-malloc_limit_mb=1024"]
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.run", name, "-runs=1500", "-seed=1", f"-artifact_prefix={tmp_path}/", *limits],
        cwd=tests,
        env={**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 1500" in done.stderr
