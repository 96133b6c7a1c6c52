"""A class of 300 students by 33 blanks: how long its answers take to be marked, and its pages to be written.

Run `python tests/benchmarks/marking.py`. A third of the answers is wrong, a tenth are expressions.
"""

import csv
import io
import random
import tempfile
import time
from pathlib import Path

from scalargrad.teach import classes
from scalargrad.teach.examples import two_output
from scalargrad.teach.worksheets import worksheets

STUDENTS = 300
VARIANTS = 5


def answers(sheets):
    """Write the CSV of a class, and count what is right in it."""
    generator = random.Random(1)
    written = io.StringIO()
    rows = csv.writer(written)
    for number in range(STUDENTS):
        sheet = sheets[number % VARIANTS]
        given = [line.written(sheet.decimals) for line in sheet.blanks]
        for place in range(len(given)):
            chance = generator.random()
            if chance < 1 / 3:
                given[place] = f"{generator.uniform(-1, 1):.4f}"
            elif chance < 0.43:
                given[place] = f"({given[place]})*1"
        rows.writerow([f"student {number}", number % VARIANTS + 1, *given])
    return (classes.answers_header(sheets) + written.getvalue()).encode()


def main():
    sheets = worksheets(two_output().root, VARIANTS, friendly=True, seed=1)
    content = answers(sheets)
    start = time.perf_counter()
    found = classes.mark_class(sheets, content)
    marked = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        pages = found.write(folder)
        written = time.perf_counter()
        assert all(Path(page).stat().st_size for page in pages)
    blanks = len(sheets[0].blanks)
    points = sum(student.marking.points for student in found.students)
    assert len(found.students) == STUDENTS
    assert not found.refused
    assert 0.5 < points / (STUDENTS * blanks) < 0.8
    print(f"{STUDENTS} students by {blanks} blanks: marked in {marked - start:.2f} s, {points} right")
    print(f"{len(pages)} files written in {written - marked:.2f} s")


if __name__ == "__main__":
    main()
