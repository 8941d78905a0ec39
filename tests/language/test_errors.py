"""What people read when something is wrong: the message, the exact place, the cure."""

from __future__ import annotations

import time

import pytest

from symplectic_codegen.errors import HamiltonianSyntaxError
from symplectic_codegen.language import limits
from symplectic_codegen.language.hamiltonian import Hamiltonian


def refused(text: str) -> HamiltonianSyntaxError:
    start = time.process_time()
    with pytest.raises(HamiltonianSyntaxError) as caught:
        Hamiltonian.parse(text)
    assert time.process_time() - start < 1
    return caught.value


# (text, what the carets are under, part of the message, part of the cure)
CASES = [
    # vectors and scalars
    ("beta/2*X**2 + L", "X**2", "a scalar is needed", "dot(X, X)"),
    ("L + 2*X*X", "X*X", "a scalar is needed", "dot(X, X)"),
    ("L - X*beta*G", "X*beta*G", "a scalar is needed", "dot(X, G)"),
    ("L + sqrt(1 + X**2)", "sqrt(1 + X**2)", "this is a vector", "sum(sqrt(1 + X**2))"),
    ("L - (U + (X + w)**2)", "(X + w)**2", "this is a vector", "dot(X + w, X + w)"),
    ("X", "X", "this is a vector", "sum(X)"),
    ("0*X", "0*X", "this is a vector", "sum(0*X)"),
    ("L/X", "L/X", "this is a vector", "sum(L/X)"),
    ("dot(X, L)", "L", "dot needs two vectors; L is a scalar", "L*sum(X)"),
    ("dot(2*beta, X)", "2*beta", "this is a scalar", "s*sum(v)"),
    ("dot(U, L)", "U", "U is a scalar", ""),
    ("sum(gamma)", "gamma", "sum needs a vector; gamma is a scalar", "leave sum out"),
    ("norm(U)", "U", "norm needs a vector; U is a scalar", "abs"),
    ("dot(X)", "dot(X)", "dot takes 2 arguments, not 1", "dot(X, X)"),
    ("exp(x, y)", "exp(x, y)", "exp takes 1 argument, not 2", ""),
    # syntax
    ("dot(X, X", "(", "'(' is never closed", "add )"),
    ("(a + (b)", "(", "'(' is never closed", "add )"),
    ("a + b)", ")", "')' closes nothing", "remove it"),
    ("a + ()", "()", "nothing between", ""),
    ("a +", "", "ends where a value is expected", ""),
    ("   ", "", "the text is empty", "dot(X, X)/2"),
    ("a, b", ",", "a comma can only separate", ""),
    ("dot(X,, w)", ",", "a value is expected before ','", ""),
    ("2x", "x", "an operator is missing before 'x'", "2*x"),
    ("(a)(b)", "(", "an operator is missing", "*"),
    ("a */ b", "/", "a value is expected before '/'", ""),
    ("a // b", "//", "floor division", "write /"),
    ("x^2", "^", "'^' is not a power", "write **"),
    ("X.T", ".", "attribute access", ""),
    ("x = 2", "=", "assignments and comparisons", ""),
    ("x < 2", "<", "comparisons", "min, max"),
    ("X[0]", "[", "indexing", ""),
    ("{x}", "{", "braces", ""),
    ("f'x'", "'", "strings", ""),
    ("x @ y", "@", "'@' is not", "dot(a, b)"),
    ("x # note", "#", "comments", ""),
    ("1 + .", ".", "a lone '.'", ""),
    # names
    ("foo(x)", "foo", "there is no function 'foo'", "the functions are sqrt, exp"),
    ("dto(X, X)", "dto", "there is no function 'dto'", "did you mean dot?"),
    ("ln(x)", "ln", "there is no function 'ln'", "log(x)"),
    ("2*dot", "dot", "dot is a function and needs arguments", "dot(x, y)"),
    ("lambda x: x", "lambda", "'lambda' is a Python keyword", ""),
    ("a + None", "None", "'None' is a Python keyword", ""),
    ("x if y else z", "if", "'if' is a Python keyword", ""),
    ("__import__('os').system('true')", "__import__", "underscore", ""),
    ("_x", "_x", "underscore", ""),
    ("X.__class__", ".", "attribute access", ""),
    ("a" * 41, "a" * 41, "at most 40 characters", ""),
    ("2*β", "β", "U+03B2 (GREEK SMALL LETTER BETA)", "write beta"),
    ("X²", "X²", "SUPERSCRIPT TWO", "write X**2"),
    ("x − y", "−", "minus sign", "write -"),
    ("x\x00y", "\ufffd", "U+0000", ""),
    ("x\u00a0y", "\u00a0", "NO-BREAK SPACE", ""),
    ("x٣", "x٣", "ARABIC-INDIC DIGIT THREE", ""),
    # numbers
    ("9**9**9", "9**9**9", "larger than 64", ""),
    ("x**65", "x**65", "larger than 64", "make it a hyperparameter"),
    ("x**(1/65)", "x**(1/65)", "denominator above 64", "1/64"),
    ("2*(x**8)**9", "(x**8)**9", "larger than 64", ""),
    ("exp(1e40*log(2))", "exp(1e40*log(2))", "larger than 1000", ""),
    ("x + " + "7" * 41, "7" * 41, "at most 40 digits", ""),
    ("1e61", "1e61", "decimal exponent", ""),
    ("1e" + "9" * 99, "1e" + "9" * 99, "decimal exponent", ""),
    ("(" + "9" * 30 + "**2)**6", "(" + "9" * 30 + "**2)**6", "larger than", ""),
    ("exp(exp(exp(x/x*9)))", "exp(exp(x/x*9))", "too large", ""),
    ("1/0", "0", "division by zero", ""),
    ("1/(x - x)", "(x - x)", "division by zero", ""),
    ("0**-1", "0**-1", "division by zero", ""),
    ("1 + sqrt(-1)", "sqrt(-1)", "not a real number", ""),
    ("U*log(0)", "log(0)", "undefined or infinite", ""),
    ("log(-2)", "log(-2)", "not", ""),
    ("U + log(-x)", "log(-x)", "not real", ""),
    ("sqrt(-x)", "sqrt(-x)", "not a real number", ""),
    ("(-8)**(1/3)", "(-8)**(1/3)", "not a real number", ""),
    ("(-2)**x", "(-2)**x", "not real", ""),
    ("tan(2*atan(1))", "tan(2*atan(1))", "undefined or infinite", ""),
    # size
    ("x" + "+x" * 400, "x" + "+x" * 400, "more than 400", ""),
    ("(1 + x + y + z)**60", "(1 + x + y + z)**60", "multiplied out", ""),
]


@pytest.mark.parametrize(
    ("text", "place", "message", "cure"), CASES, ids=[c[0][:30] for c in CASES]
)
def test_message_place_and_cure(text: str, place: str, message: str, cure: str) -> None:
    error = refused(text)
    assert message in error.message
    assert error.text[error.span.start : error.span.end] == place
    assert cure in error.cure
    assert bool(cure) <= bool(error.cure)


def test_the_whole_error_as_printed() -> None:
    assert str(refused("beta/2*X**2 + L")) == (
        "a scalar is needed, and this is a vector\nbeta/2*X**2 + L\n       ^^^^\nwrite dot(X, X)"
    )


def test_places_in_texts_of_several_lines() -> None:
    error = refused("dot(X, X)\n\t+ 2*é\n  + L")
    assert error.span.start == 15
    assert error.span.caret(error.text) == " + 2*é\n     ^"


def test_errors_can_be_printed_on_any_terminal() -> None:
    error = refused("x + \x1b[31m\udcff\u202e")
    assert "\x1b" not in str(error)
    str(error).encode("utf-8")
    assert error.span.start == 4


def test_nesting_and_length() -> None:
    assert "nesting is deeper than 40" in refused("(" * 41 + "x" + ")" * 41).message
    assert "nesting is deeper than 40" in refused("-" * 1000 + "x").message
    assert "nesting is deeper than 40" in refused("x" + "**x" * 60).message
    assert "'(' is never closed" in refused("(" * limits.MAX_TEXT).message
    assert "2001 characters" in refused("x" * 2001).message
    assert "10000000 characters" in refused("(" * 10_000_000).message


def test_sympy_is_stopped_when_it_works_too_long() -> None:
    text = "x"
    for i in range(38):
        text = f"max({text}, y{i})"
    error = refused(text)
    assert error.message == "this takes too long to simplify"
    # What was interrupted leaves no trace.
    assert str(Hamiltonian.parse("max(x, y0)").expr) == "Max(x, y0)"
