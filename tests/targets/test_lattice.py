"""Generated code for particles: values against plain NumPy, on every kind of chain and graph."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from symplectic_codegen.cli import main
from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.generation import import_source
from symplectic_codegen.language.lattice import LatticeSpec
from symplectic_codegen.lattices import Lattice

SPEC = """
name = "{name}"
integrator = "{integrator}"

[arrangement]
graph = "{graph}"
kinetic = "{kinetic}"
onsite = "{onsite}"
pair = "{pair}"
{more}
"""


def lattice(
    name: str = "row",
    integrator: str = "strang-kick",
    graph: str = "chain",
    kinetic: str = "p**2/(2*m)",
    onsite: str = "q**4/4 - q**2/2",
    pair: str = "kappa/2*(right - left)**2",
    more: str = "",
) -> Lattice:
    return Lattice(LatticeSpec.from_toml(SPEC.format(**locals())))


def load(made: Lattice) -> Any:
    pytest.importorskip("numba")
    (text,) = made.files(["numba"], "test").values()
    module = import_source(made.spec.name, text)
    return next(v for v in vars(module).values() if isinstance(v, type) and hasattr(v, "energy"))


def start(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size)
    return rng.normal(size=size), rng.normal(size=size)


def leapfrog(q: Any, p: Any, force: Any, tau: float, m: float, steps: int) -> tuple[Any, Any]:
    for _ in range(steps):
        p = p - tau / 2 * force(q)
        q = q + tau * p / m
        p = p - tau / 2 * force(q)
    return q, p


def double_well(q: np.ndarray) -> np.ndarray:
    return q**3 - q


def spring_force(q: np.ndarray, ends: str, kappa: float, walls: tuple[float, float]) -> np.ndarray:
    """By hand: κ(2 q_i − q_{i−1} − q_{i+1}), with the ends as they are."""
    if ends == "periodic":
        return kappa * (2 * q - np.roll(q, 1) - np.roll(q, -1))
    padded = np.concatenate([[walls[0]], q, [walls[1]]])
    if ends == "free":
        padded[0], padded[-1] = q[0], q[-1]
    return kappa * (2 * q - padded[:-2] - padded[2:])


@pytest.mark.parametrize("ends", ["fixed", "free", "periodic"])
@pytest.mark.parametrize("size", [1, 2, 3, 50, 40000])
def test_chains_are_stepped_as_by_hand(ends: str, size: int) -> None:
    system = load(lattice(more=f'ends = "{ends}"'))
    q, p = start(size)
    if ends == "periodic" and size < 3:
        with pytest.raises(ValueError, match="a ring needs 3 particles or more"):
            system(q, p, tau=0.05, m=1.5, kappa=0.7)
        return
    walls = (0.3, -0.2) if ends == "fixed" else (0.0, 0.0)
    more = {"walls": walls} if ends == "fixed" else {}
    made = system(q, p, tau=0.05, m=1.5, kappa=0.7, **more)
    energy = made.energy()
    made.step(4)
    made.step(3)

    def force(q: np.ndarray) -> np.ndarray:
        return double_well(q) + spring_force(q, ends, 0.7, walls)

    expected_q, expected_p = leapfrog(q, p, force, 0.05, 1.5, 7)
    np.testing.assert_allclose(made.q, expected_q, rtol=0, atol=1e-12)
    np.testing.assert_allclose(made.p, expected_p, rtol=0, atol=1e-12)
    gaps = {
        "free": np.diff(q),
        "fixed": np.diff(np.concatenate([[walls[0]], q, [walls[1]]])),
        "periodic": np.append(np.diff(q), q[0] - q[-1]),
    }[ends]
    by_hand = (p**2 / 3 + q**4 / 4 - q**2 / 2).sum() + 0.35 * (gaps**2).sum()
    assert energy == pytest.approx(by_hand, rel=1e-12)


def edges(size: int) -> Any:
    sparse = pytest.importorskip("scipy.sparse")
    return sparse.random(size, size, 0.2, random_state=3, format="csr")


@pytest.mark.parametrize("length", [0.0, 0.4])
def test_graphs_are_stepped_as_by_hand(length: float) -> None:
    """With a rest length an edge does not do the same to both its ends."""
    pair = f"kappa*weight/2*(right - left - {length})**2"
    made_lattice = lattice("net", graph="sparse", pair=pair)
    assert made_lattice.forces.is_symmetric == (length == 0.0)
    q, p = start(30)
    matrix = edges(30)
    made = load(made_lattice)(q, matrix, p, tau=0.02, m=1.5, kappa=0.7)
    energy = made.energy()
    made.step(6)
    dense = 0.7 * matrix.toarray()

    def force(q: np.ndarray) -> np.ndarray:
        pulls = dense * (q[None, :] - q[:, None] - length)
        return double_well(q) - pulls.sum(axis=1) + pulls.sum(axis=0)

    expected_q, expected_p = leapfrog(q, p, force, 0.02, 1.5, 6)
    np.testing.assert_allclose(made.q, expected_q, rtol=0, atol=1e-11)
    np.testing.assert_allclose(made.p, expected_p, rtol=0, atol=1e-11)
    stretch = dense / 2 * (q[None, :] - q[:, None] - length) ** 2
    assert energy == pytest.approx(
        (p**2 / 3 + q**4 / 4 - q**2 / 2).sum() + stretch.sum(), rel=1e-12
    )


@pytest.mark.parametrize("integrator", ["lie-trotter", "strang", "drift-first", "triple-jump"])
def test_every_integrator_has_its_order(integrator: str) -> None:
    system = load(lattice(integrator=integrator))
    q, p = start(12)

    def after(tau: float, steps: int) -> np.ndarray:
        made = system(q, p, tau=tau, m=1.0, kappa=0.7)
        made.step(steps)
        return np.concatenate([made.q, made.p])

    exact = after(1e-4, 2000) if integrator == "triple-jump" else None
    if exact is None:
        exact = leapfrog_reference(q, p)
    errors = [np.abs(after(0.2 / n, n) - exact).max() for n in (20, 40)]
    order = np.log2(errors[0] / errors[1])
    expected = {"lie-trotter": 1, "drift-first": 1, "strang": 2, "triple-jump": 4}[integrator]
    assert order == pytest.approx(expected, abs=0.35)


def leapfrog_reference(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    def force(q: np.ndarray) -> np.ndarray:
        return double_well(q) + spring_force(q, "fixed", 0.7, (0.0, 0.0))

    return np.concatenate(leapfrog(q, p, force, 1e-4, 1.0, 2000))


def test_a_relativistic_kinetic_energy_goes_the_same_way() -> None:
    system = load(lattice("fast", kinetic="sqrt(1 + p**2)"))
    q, p = start(9)
    made = system(q, p, tau=0.05, kappa=0.7)
    made.step(5)
    for _ in range(5):
        p = p - 0.025 * (double_well(q) + spring_force(q, "fixed", 0.7, (0.0, 0.0)))
        q = q + 0.05 * p / np.sqrt(1 + p**2)
        p = p - 0.025 * (double_well(q) + spring_force(q, "fixed", 0.7, (0.0, 0.0)))
    np.testing.assert_allclose(made.q, q, atol=1e-13)
    np.testing.assert_allclose(made.p, p, atol=1e-13)


def test_damping_follows_the_exact_flow() -> None:
    """Of a single free particle p decays by exp(-γτ) a step, whatever τ is."""
    made = load(lattice(onsite="0", pair="0*left", more='damping = "gamma"\nends = "free"'))
    system = made([0.0], [1.0], tau=0.7, m=1.0, gamma=0.9)
    system.step(3)
    assert system.p[0] == pytest.approx(np.exp(-0.9 * 0.7 * 3), rel=1e-14)


def test_the_heat_equation_is_the_other_semantics() -> None:
    system = load(lattice("heat", onsite="0", more='semantics = "configuration"'))
    q, _ = start(20)
    made = system(q, tau=0.2, m=1.5, kappa=0.7)
    made.step(2)
    for _ in range(2):
        q = q - 0.2 / 1.5 * spring_force(q, "fixed", 0.7, (0.0, 0.0))
    np.testing.assert_allclose(made.q, q, atol=1e-14)
    with pytest.raises(SymplecticCodegenError, match="must be quadratic in p"):
        _ = lattice(kinetic="sqrt(1 + p**2)", more='semantics = "configuration"').program


def test_modes_have_the_derived_frequency() -> None:
    """A standing wave comes back to cos(ω τ n) of itself, with ω from the derived dispersion."""
    made = lattice(onsite="m0**2/2*q**2")
    size, mode, tau, kappa, m, m0 = 31, 5, 0.3, 0.8, 1.5, 0.6
    theta = mode * np.pi / (size + 1)
    assert made.dispersion is not None
    values = {"tau": tau, "kappa": kappa, "m": m, "m0": m0, "theta": theta}
    cosine = float(made.dispersion.subs({s: values[s.name] for s in made.dispersion.free_symbols}))
    wave = np.sin(theta * np.arange(1, size + 1))
    system = load(made)(wave, tau=tau, kappa=kappa, m=m, m0=m0)
    system.step(40)
    np.testing.assert_allclose(system.q, np.cos(40 * np.arccos(cosine)) * wave, atol=1e-12)


def test_bad_input_is_refused_in_words() -> None:
    system = load(lattice())
    with pytest.raises(ValueError, match="q has 3 particles, and p has 2"):
        system(np.zeros(3), np.zeros(2), tau=0.1, m=1.0, kappa=1.0)
    with pytest.raises(ValueError, match="kappa must be a number in"):
        system(np.zeros(3), tau=0.1, m=1.0, kappa=-1.0)
    with pytest.raises(ValueError, match="must be finite everywhere"):
        system([np.nan], tau=0.1, m=1.0, kappa=1.0)
    net = load(lattice("net", graph="sparse", pair="weight*(right - left)**2"))
    with pytest.raises(ValueError, match="sparse matrix of 3 by 3"):
        net(np.zeros(3), np.zeros((2, 2)), tau=0.1, m=1.0)


# -- CUDA ------------------------------------------------------------------------------------------


def arguments(names: list[str]) -> Any:
    fields: list[Any] = [("count", ctypes.c_longlong)]
    pointers = {"q", "p", "new_q", "starts", "others", "weights", "back_starts", "back_others",
                "back_weights"}  # fmt: skip
    fields += [(n, ctypes.c_void_p if n in pointers else ctypes.c_double) for n in names]
    return type("Arguments", (ctypes.Structure,), {"_fields_": fields})


@pytest.mark.parametrize("graph", ["chain", "sparse"])
def test_cuda_kernels_on_the_host_make_what_numba_makes(graph: str) -> None:
    host_device = pytest.importorskip("symplectic_codegen.validation.host_device")
    if host_device.compiler() is None:
        pytest.skip("no C++ compiler")
    pair = (
        "kappa/2*(right - left - 0.1)**2"
        if graph == "chain"
        else "kappa*weight/2*(right - left)**4"
    )
    made = lattice(graph=graph, pair=pair)
    q, p = start(300)
    extra = [] if graph == "chain" else [edges(300)]
    system = load(made)(q, *extra, p, tau=0.01, m=1.5, kappa=0.7)
    (text,) = made.files(["cuda"], "test").values()
    kernels = re.findall(r"__global__ void (\w+)", text)
    library = ctypes.CDLL(
        str(host_device.build(text, "row", [f"row_cuda::{k}<double>" for k in kernels]))
    )
    struct = re.search(r"struct Arguments \{(.*?)\n\};", text, re.S)
    assert struct is not None
    names = re.findall(r"(\w+);", re.sub(r"//.*", "", struct[1]))[1:]
    kind = arguments(names)
    at = {"q": q.copy(), "p": p.copy(), "new_q": np.zeros_like(q), "left_wall": 0.0,
          "right_wall": 0.0, "tau": 0.01, "m": 1.5, "kappa": 0.7}  # fmt: skip
    scalars = dict(zip(vars(import_of(system))["_ORDER"], system._scalars(), strict=True))
    at |= {k: float(v) for k, v in scalars.items()}
    if graph == "sparse":
        at |= dict(zip(("starts", "others", "weights"), system._rows, strict=False))

    def launch(kernel: str) -> None:
        values = [at[n].ctypes.data if isinstance(at[n], np.ndarray) else at[n] for n in names]
        argument = kind(300, *values)
        library.emulate(kernels.index(kernel), 5, 64, ctypes.byref(argument))

    launch("opening")
    for _ in range(4):
        launch("body")
        at["q"], at["new_q"] = at["new_q"], at["q"]
    launch("closing")
    system.step(4)
    np.testing.assert_allclose(at["q"], system.q, rtol=0, atol=1e-13)
    np.testing.assert_allclose(at["p"], system.p, rtol=0, atol=1e-13)


def import_of(system: Any) -> Any:
    import sys

    return sys.modules[type(system).__module__]


@pytest.mark.parametrize("graph", ["chain", "sparse"])
def test_cuda_sources_compile_for_devices(graph: str) -> None:
    core = pytest.importorskip("cuda.core")
    pair = "kappa/2*(right - left)**2"
    (text,) = lattice(graph=graph, pair=pair).files(["cuda"], "test").values()
    names = [
        f"row_cuda::{k}<{t}>" for k in ("opening", "body", "closing") for t in ("float", "double")
    ]
    for architecture in ("sm_80", "sm_90"):
        options = core.ProgramOptions(std="c++17", arch=architecture)
        program = core.Program(text, code_type="c++", options=options)
        code = program.compile("cubin", name_expressions=names)
        assert set(map(str, code.symbol_mapping)) >= set(names)


# -- command line ----------------------------------------------------------------------------------


def run(*words: str) -> Any:
    return CliRunner().invoke(main, words)


def test_the_command_line_takes_lattices(tmp_path: Path) -> None:
    path = tmp_path / "row.toml"
    path.write_text(SPEC.format(name="row", integrator="strang-kick", graph="chain",
                                kinetic="p**2/2", onsite="1 - cos(q)",
                                pair="(right - left)**2/2", more=""))  # fmt: skip
    shown = run("derive", "--spec", str(path))
    assert "each step: q ← p·τ − force·τ² + q" in shown.output
    assert "cos(ω·τ)" in shown.output
    made = run("generate", "--spec", str(path), "--target", "numba", "--target", "cuda", "--out",
               str(tmp_path))  # fmt: skip
    assert made.exit_code == 0, made.output
    again = run("generate", "--spec", str(path), "--target", "numba", "--target", "cuda", "--out",
                str(tmp_path), "--check")  # fmt: skip
    assert again.exit_code == 0
    assert run("check", str(tmp_path / "numba"), str(tmp_path / "cuda")).exit_code == 0
    assert "✓ proved: order 2" in run("verify", str(path)).output
    other = run("generate", "--spec", str(path), "--target", "optax")
    assert other.exit_code == 2
    assert "the target optax has no lattices; those that have: numba, cuda" in other.output
    refused = run("derive", "--spec", str(path), "--set", "m=1")
    assert refused.exit_code == 2
    assert "row.toml describes a lattice: sets is no option of one" in refused.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("p**2/2", "w**2"), "[arrangement] kinetic:"),
        (("p**2/2", "q*p"), "q cannot be used in the kinetic part, which depends on p"),
        (("chain", "ring"), "graph is 'ring'; it must be one of chain, sparse"),
        (("kinetic", "kinetik"), "the key 'kinetik' is unknown; did you mean kinetic?"),
        (("(right", "weight*(right"), 'weight is an entry of the matrix of a "sparse" graph'),
        (("strang-kick", "nesterov"), "reads a state that is not kept"),
        (("p**2/2", "here*p**2/2"), "the hyperparameter here has a name that generated code uses"),
    ],
)
def test_bad_specs_are_refused_in_words(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "bad.toml"
    text = SPEC.format(name="row", integrator="strang-kick", graph="chain", kinetic="p**2/2",
                       onsite="0", pair="(right - left)**2/2", more="")  # fmt: skip
    path.write_text(text.replace(*change))
    found = run("generate", "--spec", str(path), "--target", "numba", "--out", str(tmp_path))
    assert found.exit_code == 2, found.output
    assert message in found.output
    assert "Traceback" not in found.output
