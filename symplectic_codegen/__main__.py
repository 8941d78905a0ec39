"""``python -m symplectic_codegen`` is the command line."""

from symplectic_codegen.cli import PROGRAM, main

if __name__ == "__main__":
    main(prog_name=PROGRAM)
