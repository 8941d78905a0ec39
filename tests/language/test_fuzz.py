"""Hostile text: a Hamiltonian or an error, soon, in little memory, and nothing is executed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from symplectic_codegen.errors import HamiltonianSyntaxError
from symplectic_codegen.language.grammar import ARITY, FUNCTIONS
from symplectic_codegen.language.hamiltonian import Hamiltonian

VALID = (
    "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    "beta*sum(sqrt(1 + X**2/eps**2)) + min(L, 3)**(1/2) + beta*log1p(exp(U))",
    "norm(X)**3/3 - norm1(w)*tanh(t/tau) + max(abs(U), 1e-8)*erf(U)",
    "exp(-gamma*t)*dot(X, w) + sin(x)**2 + (a + b)**64/(1 - mu)",
)
NASTY = ("0", "1", "64", "9" * 40, "1e60", "1e-60", "(1/3)", "(63/64)", "(-1)", "x", "U", "(1/x)")
TEXTS = settings(max_examples=80, deadline=None)


def attempt(text: str) -> bool:
    """Whether `text` is a Hamiltonian; fails for any other exception and for slowness."""
    refusal = None
    start = time.process_time()
    try:
        Hamiltonian.parse(text)
    except HamiltonianSyntaxError as error:
        refusal = error
    assert time.process_time() - start < 1, text
    if refusal is not None:
        assert 0 <= refusal.span.start <= refusal.span.end <= max(len(refusal.text), 1)
        assert "$END" not in str(refusal)
        assert "Token(" not in str(refusal)
    return refusal is None


@TEXTS
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    attempt(text)


@TEXTS
@given(st.text(alphabet="xXLU01259.eE+-*/(), \t\n^=_'\"[]éβ²\x00", max_size=120))
def test_text_of_the_right_characters(text: str) -> None:
    attempt(text)


@TEXTS
@given(
    st.sampled_from(VALID),
    st.lists(
        st.tuples(
            st.integers(0, 80), st.integers(0, 6), st.sampled_from([*NASTY, "", "(", ")", "**"])
        ),
        max_size=4,
    ),
)
def test_mutated_texts(text: str, changes: list[tuple[int, int, str]]) -> None:
    for place, length, inserted in changes:
        text = text[:place] + inserted + text[place + length :]
    attempt(text)


def random_text(rng: random.Random, size: int, depth: int = 0) -> str:
    """A text of the grammar with about `size` parts, of the kind that makes SymPy compute."""
    if size <= 1 or depth > 30:
        return rng.choice(NASTY)
    part = rng.randint(1, max(1, size - 2))
    match rng.randint(0, 5):
        case 0 | 1:
            name = rng.choice(FUNCTIONS)
            if name in ("dot", "sum", "norm", "norm1"):
                return f"sum(X*({random_text(rng, size - 2, depth + 1)}))"
            arguments = [random_text(rng, part, depth + 1) for _ in range(ARITY[name])]
            return f"{name}({', '.join(arguments)})"
        case 2:
            return f"({random_text(rng, size - 1, depth + 1)})**{rng.choice(NASTY)}"
        case _:
            left, right = (random_text(rng, n, depth + 1) for n in (part, size - part))
            return f"({left}{rng.choice('++-**/')}{right})"


@TEXTS
@given(st.integers(0, 2**32), st.sampled_from([5, 15, 40, 120]))
@example(0, 200)
def test_texts_of_the_grammar(seed: int, size: int) -> None:
    attempt(random_text(random.Random(seed), size))


def nested(pattern: str, innermost: str, times: int) -> str:
    text = innermost
    for _ in range(times):
        text = pattern.replace("@", text)
    return text


# Each of these made SymPy run for a long time, or would, without one of the limits.
BOMBS = [
    "9**9**9**9",
    "exp(1e40*log(2))",
    "exp(x + 1e40*log(2))",
    "exp(999*x*y*log(2))**(999/(x*y))",
    "2**(x + 1e40)*2**-x",
    nested("(@ + 1)**64", "x", 10),
    nested("(@)**64", "(2*x)", 10),
    nested("(@ + 1)**2", "1", 19),
    nested("exp(@)", "x/x", 30),
    nested("sqrt(2 + @)", "1", 38),
    nested("abs(2 - sqrt(2 + @))", "1", 18),
    nested("abs(@ - U)", "U", 38),
    nested("max(@, U*x - L)", "x", 30),
    nested("erf(@ - 1)", "1", 38),
    nested("sum(X*@ + w)", "U", 38),
    nested("sum((X + 1)*@*(w + @))", "U", 4),
    "*".join(f"{10**39 + i * i + 7}**(1/{i})" for i in range(2, 40)),
    "+".join(f"max(abs(U - x{i}), min(L, x{i}))" for i in range(30)),
    "*".join(f"(x{i} + 1)" for i in range(90)),
    "sin(1e60*1e60) + max(sin(1e60), cos(1e60*1e60))",
    "max(sin(1)**2 + cos(1)**2 - 1, 0)",
    "sin(exp(exp(9)))",
]


@pytest.mark.parametrize("text", BOMBS, ids=[b[:30] for b in BOMBS])
def test_bombs(text: str) -> None:
    attempt(text)


PROGRAM = """
import sys
from symplectic_codegen.errors import HamiltonianSyntaxError
from symplectic_codegen.language.hamiltonian import Hamiltonian
for text in sys.stdin.read().split(chr(1)):
    try:
        Hamiltonian.parse(text)
    except HamiltonianSyntaxError:
        pass
# Not ru_maxrss: that one remembers the process from which this one was forked.
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_memory_and_no_execution(tmp_path: Path) -> None:
    victim = tmp_path / "executed"
    attacks = [
        f"__import__('os').system('touch {victim}')",
        f"exec(\"open('{victim}', 'w')\")",
        f"(lambda: open('{victim}', 'w'))()",
        f"open({victim})",
    ]
    texts = chr(1).join([*attacks, *BOMBS, "(" * 2000, "(" * 1_000_000])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=texts,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert int(done.stdout) < 200
    assert done.stderr == ""
    assert not victim.exists()
