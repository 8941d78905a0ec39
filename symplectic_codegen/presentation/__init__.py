"""How results are shown: plain text, LaTeX, JSON."""
