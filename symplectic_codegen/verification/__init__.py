"""Claims of papers, checked by the engine. What a source file needs is in `claims`."""
