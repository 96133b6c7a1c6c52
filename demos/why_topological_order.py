"""Why backward needs a topological order: the same graphs with and without it, and where the two first part.

Run: python demos/why_topological_order.py
"""

from scalargrad import Value
from scalargrad.teach.examples import two_output
from scalargrad.teach.mistakes import compare

# The smallest graph where it matters: an interior node that is used twice.
a = Value(1.0, label="a")
b = a + a
b.label = "b"
c = b + b
c.label = "c"

print("b = a + a; c = b + b\n")
print(compare(c, "recursion").text())

print("""
Without an order, backward comes to b twice. The first visit hands b's 2 down to
a: 2 + 2 = 4. The second visit hands the same 2 down again: 8. In topological
order each node is visited once, when all that it will ever get has arrived.
""")

print("The worked example: both hidden neurons feed both outputs\n")
print(compare(two_output().root, "recursion").text(decimals=8))
