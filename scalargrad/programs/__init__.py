"""How a recorded graph becomes a program: formulas, then lines, then the source of one target, then machine code."""
