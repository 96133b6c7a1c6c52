"""What a person reads of a graph: derivations, pictures, typed formulas and reports."""
