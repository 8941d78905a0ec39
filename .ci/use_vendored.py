"""Use three generated modules from their folder: NumPy and Numba are all that is installed."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path.cwd()))  # a vendored file lies beside the script that uses it
assert importlib.util.find_spec("symplectic_codegen") is None
assert importlib.util.find_spec("sympy") is None

import bounded  # noqa: E402
import logarithmic  # noqa: E402
import mine  # noqa: E402

for cls, options in (
    (mine.Mine, {"tau": 0.1, "gamma": 1.0}),
    (bounded.Bounded, {"tau": 0.1, "gamma": 1.0}),
    # Its beta = 1/(1 - gamma t) ends at t = 1/gamma = 151; 300 steps stay just below.
    (logarithmic.Logarithmic, {"tau": 0.5, "gamma": 0.0066}),
):
    w = np.linspace(-1, 1, 10, dtype=np.float32)
    before = float(w @ w)
    optimizer = cls([w], **options)
    for _ in range(300):
        optimizer.step([2 * w])
    after = float(w @ w)
    assert after < 0.1 * before, (cls.__name__, before, after)
    print(f"{optimizer!r}: {before:.3g} -> {after:.3g}")
