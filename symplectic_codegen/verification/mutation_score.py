"""The mutation test over whole sources, and its stored result."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from symplectic_codegen.verification.mutation import Outcome, run_mutants
from symplectic_codegen.verification.relations import SourceError
from symplectic_codegen.verification.sources import load_source, sources_folder

_WAYS: Final = {
    "verdict": "the verdict",
    "units": "the units",
    "value": "the trusted value",
    "meaning": "having no meaning",
    "time": "giving no answer in time",
}


@dataclass(frozen=True)
class Survivor:
    """A change that nothing notices, and why."""

    source: str
    label: str
    part: str
    mutated: str
    change: str
    reason: str


@dataclass(frozen=True)
class MutationScore:
    """How many changes are noticed, and in which way."""

    total: int
    ways: tuple[tuple[str, int], ...]
    survivors: tuple[Survivor, ...]

    @property
    def noticed(self) -> int:
        """How many changes are noticed."""
        return self.total - len(self.survivors)


def mutation_path() -> Path:
    """Where the result for the sources that ship is stored."""
    return sources_folder() / "mutation.json"


def run_mutation(
    paths: Sequence[Path], jobs: int, progress: Callable[[Any, int], Any] | None = None
) -> MutationScore:
    """Change every relation of the sources in every way, once; see `mutation`."""
    work = [(path, c.label) for path in paths for c in load_source(path).claims]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        stream = pool.map(_run, *zip(*work, strict=True), chunksize=2)
        results = list(stream if progress is None else progress(stream, len(work)))
    ways: Counter[str] = Counter()
    survivors: list[Survivor] = []
    for (path, label), outcomes in zip(work, results, strict=True):
        source = load_source(path)
        claim = source.claim(label)
        assert claim is not None
        ways.update(_WAYS[o.noticed] for o in outcomes if o.noticed != "no")
        survivors += [
            Survivor(source.name, label, o.part, o.mutated, o.change, claim.survivors)
            for o in outcomes
            if o.noticed == "no"
        ]
    total = sum(ways.values()) + len(survivors)
    return MutationScore(total, tuple(sorted(ways.items(), key=lambda w: -w[1])), tuple(survivors))


def _run(path: Path, label: str) -> list[Outcome]:
    source = load_source(path)
    claim = source.claim(label)
    assert claim is not None
    return run_mutants(source, claim)


def score_text(score: MutationScore) -> str:
    """The stored form."""
    data = {
        "total": score.total,
        "noticed": dict(score.ways),
        "survivors": [vars(s) for s in score.survivors],
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def read_score(path: Path) -> MutationScore | None:
    """The stored result; None if there is none.

    Raises:
        SourceError: the file is not what the mutation test writes.
    """
    if not path.exists():
        return None
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        return MutationScore(
            data["total"],
            tuple(data["noticed"].items()),
            tuple(Survivor(**row) for row in data["survivors"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SourceError(
            f"{path}: no result of the mutation test; write it anew with verify --mutation"
        ) from None
