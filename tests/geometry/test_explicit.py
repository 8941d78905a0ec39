"""Explicit geometry against known facts, and against a second construction."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import G, L, U, X, Y, beta, c, h, k, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.errors import GeometryError
from symplectic_codegen.geometry.explicit import (
    Chart,
    OneForm,
    PoissonTensor,
    SymplecticStructure,
    TwoForm,
    closedness_defect,
    divergence,
    exterior_derivative,
    poisson_tensor,
    push_forward_tensor,
    symplectic_structure,
    thermodynamic_chart,
)

q, p = sp.symbols("q p", real=True)
x1, x2, x3 = sp.symbols("x1:4", real=True)
PLANE = Chart((q, p))
CANONICAL = PoissonTensor.of(PLANE, {(q, p): sp.S.One})
SO3 = PoissonTensor.of(Chart((x1, x2, x3)), {(x1, x2): x3, (x1, x3): -x2, (x2, x3): x1})

a = sp.Symbol("a", positive=True)

COUPLINGS = {
    "default": beta * X,
    "sinh": beta * sp.sinh(X),
    "cubic": beta * (X + X**3),
    "weight-dependent": beta * X * sp.exp(w),
    "energy-dependent": beta * X * sp.exp(U / 2),
    "several roots": (beta ** sp.Rational(1, 4) + sp.sqrt(beta)) * X,
    "symbolic power": beta**a * X * (1 + beta ** (2 * a)),
    "gauge term": beta * X + G,
    "mass": (beta + w**2) * X,
}


def structure_of(dim: int, coupling: sp.Expr | list[sp.Expr] | None = None) -> SymplecticStructure:
    _, theta = thermodynamic_chart(dim, coupling)
    return symplectic_structure(exterior_derivative(theta))


def assert_equal(left: sp.Expr, right: sp.Expr) -> None:
    difference = sp.expand(left - right)
    assert difference == 0 or sp.simplify(difference) == 0, f"{left} is not {right}"


def assert_same(left: PoissonTensor, right: PoissonTensor) -> None:
    assert left.chart == right.chart
    assert set(left.components) == set(right.components)
    for pair, value in left.components.items():
        assert_equal(value, right.components[pair])


def assert_poisson(tensor: PoissonTensor) -> None:
    assert tensor.antisymmetry_defect() == {}
    assert tensor.jacobi_defect() == {}


# Sign conventions and textbook facts (numbers refer to theory/geometry_facts.md, 3.1).


def test_fact_1_canonical_plane() -> None:
    form = exterior_derivative(OneForm.of(PLANE, {q: p}))
    assert form == TwoForm.of(PLANE, {(p, q): sp.S.One})  # dp ^ dq
    tensor = poisson_tensor(form)
    assert tensor == CANONICAL
    f = sp.Function("f")(q, p)
    assert tensor.hamiltonian_vector_field(f) == {q: sp.diff(f, p), p: -sp.diff(f, q)}


@pytest.mark.parametrize("order", ["q1 q2 p1 p2", "p1 p2 q1 q2", "q1 p1 q2 p2"])
def test_the_order_of_the_coordinates_does_not_matter(order: str) -> None:
    q1, p1, q2, p2 = sp.symbols("q1 p1 q2 p2")
    theta = OneForm.of(Chart(sp.symbols(order)), {q1: p1 * sp.exp(q2), q2: p2 + q1 * p1})
    structure = symplectic_structure(exterior_derivative(theta))
    assert structure.determinant == sp.exp(2 * q2)
    assert structure.tensor.bracket(q1, p1) == sp.exp(-q2)
    assert structure.tensor.bracket(q2, p2) == 1
    assert sp.expand(structure.tensor.bracket(q1, p2) + q1 * sp.exp(-q2)) == 0
    assert_poisson(structure.tensor)


def test_fact_7_rotation_algebra() -> None:
    assert SO3.bracket(x1, x2) == x3
    assert SO3.bracket(x2, x3) == x1
    assert SO3.bracket(x3, x1) == x2
    assert_poisson(SO3)
    casimir = x1**2 + x2**2 + x3**2
    assert all(sp.expand(v) == 0 for v in SO3.hamiltonian_vector_field(casimir).values())


def test_fact_8_bracket_of_linear_functions() -> None:
    a1, a2, a3 = sp.symbols("a1:4")
    value = SO3.bracket(x1 + x2 + x3, a1 * x1 + a2 * x2 + a3 * x3)
    assert_equal(value, a1 * (x2 - x3) - a2 * (x1 - x3) + a3 * (x1 - x2))


def test_fact_9_a_bivector_that_is_not_poisson() -> None:
    tensor = PoissonTensor.of(SO3.chart, {(x1, x2): sp.S.One, (x1, x3): x1, (x2, x3): x2})
    assert tensor.jacobi_defect() == {(0, 1, 2): 2}


def test_fact_13_free_rigid_body() -> None:
    I1, I2, I3 = sp.symbols("I1:4", positive=True)
    field = SO3.hamiltonian_vector_field(x1**2 / (2 * I1) + x2**2 / (2 * I2) + x3**2 / (2 * I3))
    # The bracket of the note: x' = {x, H} with {x1, x2} = x3.
    assert_equal(field[x1], x2 * x3 * (I3 - I2) / (I2 * I3))
    assert_equal(field[x2], x1 * x3 * (I1 - I3) / (I1 * I3))
    assert_equal(field[x3], x1 * x2 * (I2 - I1) / (I1 * I2))
    assert_equal(sum(z * velocity for z, velocity in field.items()), sp.S.Zero)


def test_fact_14_lotka_volterra() -> None:
    x, y = sp.symbols("x y", positive=True)
    a1, a2, b1, b2 = sp.symbols("a1 a2 b1 b2")
    chart = Chart((x, y))
    potentials = [
        {x: y + sp.log(y) / x, y: x},
        {x: sp.log(y) / x},
        {x: sp.log(y) / (2 * x), y: -sp.log(x) / (2 * y)},
    ]
    forms = [exterior_derivative(OneForm.of(chart, theta)) for theta in potentials]
    assert all(form == TwoForm.of(chart, {(x, y): -1 / (x * y)}) for form in forms)
    structure = symplectic_structure(forms[0])
    assert structure.tensor.bracket(x, y) == x * y
    assert structure.liouville_density == 1 / (x * y)
    field = structure.tensor.hamiltonian_vector_field(
        a1 * x + a2 * y + b1 * sp.log(x) + b2 * sp.log(y)
    )
    assert_equal(field[x], x * (b2 + a2 * y))
    assert_equal(field[y], -y * (b1 + a1 * x))
    assert divergence(field, chart, structure.liouville_density) == 0


def test_fact_15_kepler() -> None:
    m, kappa = sp.symbols("m kappa", positive=True)
    position, momentum = sp.symbols("q1:4", real=True), sp.symbols("p1:4", real=True)
    chart = Chart((*position, *momentum))
    tensor = PoissonTensor.of(chart, dict.fromkeys(zip(position, momentum, strict=True), sp.S.One))
    r = sp.sqrt(sum(z**2 for z in position))
    Q, P = sp.Matrix(position), sp.Matrix(momentum)
    angular = Q.cross(P)
    lenz = P.cross(angular) - m * kappa * Q / r
    H = P.dot(P) / (2 * m) - kappa / r
    assert_equal(tensor.bracket(angular[0], angular[1]), angular[2])
    for component in lenz:
        assert_equal(tensor.bracket(component, H), sp.S.Zero)
    assert_equal(tensor.bracket(lenz[0], lenz[1]), -2 * m * H * angular[2])


def test_fact_16_canonical_transformations() -> None:
    assert_equal(CANONICAL.bracket(sp.log(sp.sin(p) / q), q * sp.cot(p)), sp.S.One)

    angle, action = sp.symbols("theta I", positive=True)
    old_q, old_p = sp.sqrt(2 * action) * sp.sin(angle), sp.sqrt(2 * action) * sp.cos(angle)
    assert_equal(pulled_back((angle, action), old_q, old_p).bracket(angle, action), sp.S.One)

    r, phi = sp.symbols("r phi", positive=True)
    polar = pulled_back((r, phi), r * sp.cos(phi), r * sp.sin(phi))
    assert_equal(polar.bracket(r, phi), 1 / r)


def pulled_back(new: tuple[sp.Symbol, sp.Symbol], q: sp.Expr, p: sp.Expr) -> PoissonTensor:
    theta = OneForm.of(Chart(new), {z: p * sp.diff(q, z) for z in new})
    return poisson_tensor(exterior_derivative(theta))


# The thermodynamic phase space.


@pytest.mark.parametrize("dim", [1, 2, 3, 10])
def test_fact_17_the_form_of_the_paper(dim: int) -> None:
    structure = structure_of(dim)
    at = Coordinates(dim)
    brackets: dict[tuple[sp.Symbol, sp.Symbol], sp.Expr] = {(U, beta): sp.S.One}
    for weight, moment in zip(at.w, at.X, strict=True):
        brackets[weight, moment] = 1 / beta
        brackets[U, moment] = -moment / beta
    assert structure.tensor == PoissonTensor.of(structure.form.chart, brackets)
    assert structure.determinant == beta ** (2 * dim)
    assert structure.liouville_density == beta**dim
    assert structure.domain == (beta,)
    assert_poisson(structure.tensor)


@pytest.mark.parametrize("dim", [1, 2])
def test_the_bracket_printed_in_the_paper_fails_jacobi(dim: int) -> None:
    """Learning Dynamics prints {w^i, X_j} = delta without the factor 1/beta."""
    chart, _ = thermodynamic_chart(dim)
    at = Coordinates(dim)
    printed: dict[tuple[sp.Symbol, sp.Symbol], sp.Expr] = {(U, beta): sp.S.One}
    for weight, moment in zip(at.w, at.X, strict=True):
        printed[weight, moment] = sp.S.One
        printed[U, moment] = -moment / beta
    defect = PoissonTensor.of(chart, printed).jacobi_defect()
    assert defect == {(0, 1 + i, 2 + dim + i): 1 / beta for i in range(dim)}


@pytest.mark.parametrize("dim", [1, 2])
def test_fact_18_equations_of_motion_of_an_abstract_hamiltonian(dim: int) -> None:
    structure = structure_of(dim)
    chart, at = structure.form.chart, Coordinates(dim)
    H = sp.Function("H")(*chart.coordinates)
    field = structure.tensor.hamiltonian_vector_field(H)
    radial = sum(moment * sp.diff(H, moment) for moment in at.X)
    assert_equal(field[U], sp.diff(H, beta) - radial / beta)
    assert_equal(field[beta], -sp.diff(H, U))
    for weight, moment in zip(at.w, at.X, strict=True):
        assert_equal(field[weight], sp.diff(H, moment) / beta)
        assert_equal(field[moment], (moment * sp.diff(H, U) - sp.diff(H, weight)) / beta)
    assert_equal(divergence(field, chart), dim * sp.diff(H, U) / beta)
    assert divergence(field, chart, structure.liouville_density) == 0


@pytest.mark.parametrize("dim", [1, 3])
def test_fact_19_momentum(dim: int) -> None:
    gamma = sp.Symbol("gamma", positive=True)
    at = Coordinates(dim)
    H = beta / (2 * k) * Total(X**2) + beta * c**2 / k * L + h * gamma / k * beta * U
    velocity = {
        z: sp.expand(-k / h * value)
        for z, value in structure_of(dim)
        .tensor.hamiltonian_vector_field(instantiate(H, at))
        .items()
    }
    assert velocity[beta] == gamma * beta
    for i in range(dim):
        assert velocity[at.w[i]] == -at.X[i] / h
        assert_equal(velocity[at.X[i]], -gamma * at.X[i] + c**2 / h * at.G[i])
    square = sum(moment**2 for moment in at.X)
    assert_equal(velocity[U], -gamma * U + square / (2 * h) - c**2 * at.L / h)


def test_fact_20_contact_dynamics_is_a_homogeneous_hamiltonian() -> None:
    """-beta h(w, -X, U) moves (s, q, p) = (U, w, -X) by the contact Hamiltonian h."""
    m, gamma = sp.symbols("m gamma", positive=True)
    (weight,), (moment,) = Coordinates(1).w, Coordinates(1).X
    V = sp.Function("V")(weight)
    contact = moment**2 / (2 * m) + V + gamma * U
    field = structure_of(1).tensor.hamiltonian_vector_field(-beta * contact)
    momentum = -moment
    assert_equal(field[weight], momentum / m)
    assert_equal(-field[moment], -sp.diff(V, weight) - gamma * momentum)
    assert_equal(field[U], momentum**2 / (2 * m) - V - gamma * U)
    rate = sum(sp.diff(contact, z) * value for z, value in field.items())
    assert_equal(rate, -gamma * contact)
    reduced = {z: field[z] for z in (U, weight, moment)}
    assert_equal(divergence(reduced, Chart((U, weight, moment))), -2 * gamma)


# Couplings.


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("name", COUPLINGS)
def test_couplings(name: str, dim: int) -> None:
    structure = structure_of(dim, COUPLINGS[name])
    assert_poisson(structure.tensor)
    assert_same(structure.tensor, push_forward_tensor(dim, COUPLINGS[name]))
    at = Coordinates(dim)
    slope = sp.Matrix([instantiate(COUPLINGS[name], at, i) for i in range(dim)]).jacobian(at.X)
    assert_equal(structure.determinant, slope.det() ** 2)
    # Y is canonical to w, whatever the coupling.
    for i, weight in enumerate(at.w):
        for j in range(dim):
            momentum = instantiate(COUPLINGS[name], at, j)
            assert_equal(structure.tensor.bracket(weight, momentum), sp.Integer(int(i == j)))


@pytest.mark.parametrize("dim", [1, 2])
def test_a_coupling_that_mixes_components(dim: int) -> None:
    coupling = beta * X / sp.sqrt(1 + Total(X**2))
    structure = structure_of(dim, coupling)
    square = 1 + sum(moment**2 for moment in Coordinates(dim).X)
    assert_equal(structure.determinant, beta ** (2 * dim) / square ** (dim + 2))
    assert structure.domain == (beta,)
    assert_poisson(structure.tensor)
    assert_same(structure.tensor, push_forward_tensor(dim, coupling))
    inverse = Y / sp.sqrt(beta**2 - Total(Y**2))
    if dim == 1:
        assert_same(structure.tensor, push_forward_tensor(dim, coupling, inverse))


@pytest.mark.parametrize("dim", [1, 2, 10])
def test_push_forward_by_an_explicit_inverse(dim: int) -> None:
    assert_same(structure_of(dim).tensor, push_forward_tensor(dim, inverse=Y / beta))
    weighted = beta * X * sp.exp(w) + U
    inverse = (Y - U) * sp.exp(-w) / beta
    assert_same(structure_of(dim, weighted).tensor, push_forward_tensor(dim, weighted, inverse))


def test_push_forward_by_an_inverse_known_up_to_simplification() -> None:
    sinh = COUPLINGS["sinh"]
    assert_same(structure_of(1, sinh).tensor, push_forward_tensor(1, sinh, sp.asinh(Y / beta)))


def test_push_forward_refuses_a_wrong_inverse() -> None:
    with pytest.raises(GeometryError, match="undo the coupling"):
        push_forward_tensor(1, inverse=Y / beta**2)


def test_a_coupling_given_entry_by_entry() -> None:
    at = Coordinates(2)
    metric = sp.Matrix([[2, 1], [1, 1 + at.w[0] ** 2]])
    momenta = list(beta * metric * sp.Matrix(at.X))
    structure = structure_of(2, momenta)
    assert_equal(structure.determinant, beta**4 * metric.det() ** 2)
    assert_poisson(structure.tensor)
    assert_same(structure.tensor, push_forward_tensor(2, momenta))


def test_the_domain_names_where_a_form_degenerates() -> None:
    (weight,), (moment,) = Coordinates(1).w, Coordinates(1).X
    structure = structure_of(1, [beta * moment**2 / (1 - weight)])
    assert set(structure.domain) == {beta, moment, weight - 1}
    assert_equal(structure.liouville_density, 2 * beta * sp.Abs(moment) / sp.Abs(weight - 1))


def test_the_domain_is_about_coordinates() -> None:
    assert structure_of(1, sp.sqrt(beta * k) * X / h).domain == (beta,)


def test_a_coupling_that_jumps_is_refused() -> None:
    with pytest.raises(GeometryError, match="not differentiable"):
        structure_of(1, beta * sp.sign(X))


X_1, X_2 = Coordinates(2).X


@pytest.mark.parametrize(
    ("coupling", "message"),
    [
        (beta * w, "dX1, dX2"),
        ([X_1, X_1 * beta], "dX2"),
        ([X_1 + X_2, beta * (X_1 + X_2)], r"\(-1\)\*d/dX1 \+ d/dX2"),
        ([X_1 + X_2, (X_1 + X_2) ** 2], "d/dX"),
        # det = cosh^2 - sinh^2 - 1: zero by a relation between functions only.
        (
            [
                sp.cosh(beta) * X_1 + sp.sinh(beta) * X_2,
                (sp.sinh(beta) + 1 / sp.sinh(beta)) * X_1 + sp.cosh(beta) * X_2,
            ],
            "degenerate",
        ),
    ],
    ids=str,
)
def test_degenerate_couplings_are_refused(coupling: sp.Expr | list[sp.Expr], message: str) -> None:
    _, theta = thermodynamic_chart(2, coupling)
    with pytest.raises(GeometryError, match=message):
        poisson_tensor(exterior_derivative(theta))
    with pytest.raises(GeometryError):
        push_forward_tensor(2, coupling)


@pytest.mark.parametrize(
    ("coupling", "message"),
    [([X_1], "2 momenta"), (Y, "not Y1"), ([X, X_2], "explicit")],
)
def test_couplings_of_the_wrong_kind(coupling: sp.Expr | list[sp.Expr], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        thermodynamic_chart(2, coupling)


# Forms in general.


def test_an_exact_form_is_closed() -> None:
    z = sp.symbols("z1:5")
    chart = Chart(z)
    theta = OneForm.of(chart, {s: sp.Function(f"f{i}")(*z) for i, s in enumerate(z)})
    assert closedness_defect(exterior_derivative(theta)) == {}
    closed = OneForm.of(chart, {s: sp.diff(sp.sin(z[0] * z[1]) * sp.exp(z[2]), s) for s in z[:3]})
    assert exterior_derivative(closed).components == {}


def test_a_form_that_is_not_closed_is_detected() -> None:
    chart = Chart(sp.symbols("z1:5"))
    z1, z2, z3, z4 = chart.coordinates
    form = TwoForm.of(chart, {(z1, z3): z2, (z2, z4): sp.S.One})
    assert closedness_defect(form) == {(0, 1, 2): -1}
    with pytest.raises(GeometryError, match=r"not closed.*dz1 \^ dz2 \^ dz3"):
        symplectic_structure(form)
    # Its inverse exists, and its bracket fails Jacobi.
    assert poisson_tensor(form).jacobi_defect() == {(0, 2, 3): z2**-2}


@pytest.mark.parametrize("seed", range(4))
def test_closedness_agrees_with_all_triples(seed: int) -> None:
    z = sp.symbols("z1:5")
    powers = [[(seed + 3 * i + j) % 3 for j in range(4)] for i in range(6)]
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    entries = {
        pair: sp.Mul(*(s**e for s, e in zip(z, power, strict=True)))
        for pair, power in zip(pairs, powers, strict=True)
    }
    matrix = sp.zeros(4, 4)
    for (i, j), value in entries.items():
        matrix[i, j], matrix[j, i] = value, -value
    forms: Mapping[tuple[int, int, int], sp.Expr] = {
        (a, b, e): sp.expand(
            sp.diff(matrix[b, e], z[a]) + sp.diff(matrix[e, a], z[b]) + sp.diff(matrix[a, b], z[e])
        )
        for a in range(4)
        for b in range(a + 1, 4)
        for e in range(b + 1, 4)
    }
    expected = {triple: value for triple, value in forms.items() if value != 0}
    defect = closedness_defect(TwoForm(Chart(z), entries))
    assert {triple: sp.expand(value) for triple, value in defect.items()} == expected

    tensor = PoissonTensor.of(Chart(z), {(z[i], z[j]): v for (i, j), v in entries.items()})
    brackets: dict[tuple[int, int, int], sp.Expr] = {}
    for a, b, e in forms:
        f, g, m = z[a], z[b], z[e]
        cyclic = [(f, g, m), (g, m, f), (m, f, g)]
        value = sp.expand(sum(tensor.bracket(r, tensor.bracket(s, u)) for r, s, u in cyclic))
        if value != 0:
            brackets[a, b, e] = value
    found = tensor.jacobi_defect()
    assert {triple: sp.expand(value) for triple, value in found.items()} == brackets


def test_odd_dimension_is_refused() -> None:
    with pytest.raises(GeometryError, match="even dimension"):
        poisson_tensor(TwoForm.of(SO3.chart, {(x1, x2): sp.S.One}))


def test_a_coordinate_that_does_not_occur_is_named() -> None:
    chart = Chart(sp.symbols("a b e f"))
    a, b, *_ = chart.coordinates
    with pytest.raises(GeometryError, match="de, df does not occur"):
        poisson_tensor(TwoForm.of(chart, {(a, b): sp.S.One}))


def test_a_kernel_is_named_without_isotropic_halves() -> None:
    chart = Chart(sp.symbols("a b e f"))
    a, b, e, f = chart.coordinates
    pairs = {(a, b): sp.S.One, (e, f): sp.S.One, (a, f): sp.S.One, (b, e): -sp.S.One}
    with pytest.raises(GeometryError, match="in its kernel"):
        poisson_tensor(TwoForm.of(chart, pairs))


def test_a_general_form_agrees_with_a_dense_inverse() -> None:
    z = sp.symbols("z1:5")
    z1, z2, z3, z4 = z
    form = TwoForm.of(
        Chart(z),
        {(z1, z2): 1 + z3, (z1, z3): z2, (z1, z4): sp.S(2), (z2, z3): z1, (z3, z4): z4 / 3},
    )
    dense = sp.zeros(4, 4)
    for (i, j), value in form.components.items():
        dense[i, j], dense[j, i] = value, -value
    tensor = poisson_tensor(form)
    difference = dense.inv() - sp.Matrix(4, 4, lambda i, j: tensor.components.get((i, j), 0))
    assert difference.applyfunc(sp.cancel) == sp.zeros(4, 4)
    assert tensor.antisymmetry_defect() == {}


def test_antisymmetry_is_checked_rather_than_assumed() -> None:
    tensor = PoissonTensor(PLANE, {(0, 1): sp.S.One, (1, 0): q, (1, 1): p})
    assert tensor.antisymmetry_defect() == {(0, 1): 1 + q, (1, 1): 2 * p}


def test_malformed_input_is_refused() -> None:
    with pytest.raises(GeometryError, match="distinct"):
        Chart((q, q))
    with pytest.raises(GeometryError, match="increasing"):
        TwoForm(PLANE, {(1, 0): sp.S.One})
    with pytest.raises(GeometryError, match="no component along"):
        TwoForm.of(PLANE, {(q, q): sp.S.One})
    with pytest.raises(GeometryError, match="given twice"):
        TwoForm.of(PLANE, {(q, p): sp.S.One, (p, q): sp.S.One})


def test_leibniz_rule_and_antisymmetry_of_brackets() -> None:
    tensor = structure_of(1).tensor
    f, g, m = (sp.Function(name)(*tensor.chart.coordinates) for name in "fgm")
    leibniz = tensor.bracket(f * g, m) - f * tensor.bracket(g, m) - g * tensor.bracket(f, m)
    assert sp.expand(leibniz) == 0
    assert sp.expand(tensor.bracket(f, g) + tensor.bracket(g, f)) == 0
    assert tensor.bracket(f, sp.Integer(3)) == 0


def test_a_hundred_weights_take_less_than_a_second() -> None:
    """0.22 s of processor time on two shared cores; the promise is 1 s, and 2 s with CI noise."""
    start = time.process_time()
    structure = structure_of(100)  # closed, inverted, verified
    assert_poisson(structure.tensor)
    assert structure.determinant == beta**200
    assert structure.liouville_density == beta**100
    assert time.process_time() - start < 2.0


def test_results_do_not_depend_on_hash_seeds() -> None:
    """Components come in increasing order, so that what is printed is reproducible."""
    structure = structure_of(3, beta * sp.sinh(X) * sp.exp(w))
    assert list(structure.form.components) == sorted(structure.form.components)
    assert list(structure.tensor.components) == sorted(structure.tensor.components)
