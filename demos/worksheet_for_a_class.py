"""A worksheet for a class: three variants with their answer keys, and the numbers of one student marked.

Run: python demos/worksheet_for_a_class.py [FOLDER]
"""

import sys
from pathlib import Path

from scalargrad.teach.examples import two_output
from scalargrad.teach.worksheets import worksheets

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "worksheets")
sheets = worksheets(two_output().root, 3, ["values", "gradients", "updated parameters"], friendly=True, seed=1)
for number, sheet in enumerate(sheets, start=1):
    for path in sheet.write(folder, f"variant-{number}"):
        print("wrote", path)

# A student who wrote `=` for `+=` where the paths through o1 and o2 meet:
sheet = sheets[0]
answers = dict(line.split(" = ") for line in sheet.answers.splitlines())
hidden = next(name for name in answers if name.endswith("dE_total/dout_h1"))
print("\nThe key, marked:", sheet.check(sheet.answers))
answers[hidden] = "-0.0398"
print("\nOne student, marked:", sheet.check("\n".join(f"{name} = {number}" for name, number in answers.items())))
