"""Use a generated transformation from its folder: of this project nothing is installed."""

import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

sys.path.insert(0, str(Path.cwd()))  # a vendored file lies beside the script that uses it
assert importlib.util.find_spec("symplectic_codegen") is None
assert importlib.util.find_spec("sympy") is None

from mine import mine  # noqa: E402

solver = mine(tau=0.1, gamma=1.0)
w = jnp.linspace(-1, 1, 10)
state, update = solver.init(w), jax.jit(solver.update)
before = float(w @ w)
for _ in range(300):
    updates, state = update(2 * w, state, w)
    w = optax.apply_updates(w, updates)
after = float(w @ w)
assert after < 0.1 * before, (before, after)
print(f"mine in JAX {jax.__version__}: {before:.3g} -> {after:.3g}")
