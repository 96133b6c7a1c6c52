"""A transformer of scalar `Value`s that learns to make up names, letter by letter: recorded once, compiled, trained.

One block: two heads of attention, RMS norm, a hidden layer, softmax, cross-entropy. Writes nothing. Needs NumPy, and a
C compiler for its speed. Run: python demos/transformer.py [FOLDER] [STEPS]
"""

import math
import random
import sys
import time

import scalargrad
from scalargrad import Value
from scalargrad.train.optimizers import Adam, cosine

try:
    import numpy
except ModuleNotFoundError as missing:
    print(f"{missing}; pip install numpy", file=sys.stderr)
    sys.exit(2)

NAMES = """
ada adam agnes aida alan albert alda alec alice alma amanda amelia amos amy anders andre andrea angela anita ann anna
anne anton arlo arthur astrid aurora axel barbara basil beata ben bert bianca bill bo boris brian bruno carl carla
carmen carol cecil celia cesar chloe clara clemens cora daisy dana daniel dario david dean delia diana dora doris
edgar edith edna elena eli elias elisa ella ellen elmar elsa emil emilia emma enid eric erika ernst eva evan ewa fabio
fanny felix fiona flora frank frida fritz gabriel george gerda gina gloria greta gustav hanna hans harold harry hazel
hector heidi helen helga henry hilda hugo ida ilse ines inga ingrid ira irene iris irma isa isabel ivan ivo jack jacob
james jan jana jane janet jasper jean jenny joan joel john jonas jose josef judith jule julia julian karen karin karl
katja kevin kim kirsten klara kurt lara laura lea lena leo leon leona lia lilian lily lina linda lisa lola lorena
lotte louis louisa luca lucas lucia lucy luis luisa lukas luna lydia mabel magda malte mara marco maren marga maria
marie marina mario marion mark marta martha martin mary mathis maud max maya mel mia michael milan mila mina mira
miriam mona monika nadia nancy naomi nelly nico nils nina noah noel nora norman olaf olga oliver olivia omar oscar
otis otto pablo pamela patrick paul paula pauline peter petra pia quentin rafael ralph ramona ray regina rene rita
robert roberta robin rolf roman rosa rosalie rose ruben ruth sabine sally sam samuel sandra sara sarah sean selma
serena silvia simon sofia sonja sophie stella stefan susan sven sylvia tamara tanja theo thea thomas tilda tim tina
tobias tom toni ulla ulrich ursula uta vera veronica victor viola walter wanda wendy werner wilma xenia yara yvonne
zara zoe
"""
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot begins and ends a name
LENGTH, WIDTH, HEADS, HIDDEN, BATCH = 8, 12, 2, 24, 32
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 1500
EAGER = 3  # steps of one name each in the engine, for comparison

rng = random.Random(1)
names = [name for name in NAMES.split() if len(name) < LENGTH]
parameters: list[Value] = []


def matrix(rows: int, columns: int, size: float) -> list[list[Value]]:
    """Draw a matrix of parameters."""
    drawn = [[Value(rng.gauss(0, size)) for _ in range(columns)] for _ in range(rows)]
    parameters.extend(weight for row in drawn for weight in row)
    return drawn


embedding = matrix(WIDTH, len(LETTERS), 0.3)
position = matrix(LENGTH, WIDTH, 0.3)
queries, keys, values, attended = (matrix(WIDTH, WIDTH, 1 / math.sqrt(WIDTH)) for _ in range(4))
hidden, back = matrix(HIDDEN, WIDTH, 1 / math.sqrt(WIDTH)), matrix(WIDTH, HIDDEN, 1 / math.sqrt(HIDDEN))
unembedding = matrix(len(LETTERS), WIDTH, 1 / math.sqrt(WIDTH))


def dot(a: list[Value], b: list[Value]) -> Value:
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:]):
        total = total + x * y
    return total


def times(weights: list[list[Value]], vector: list[Value]) -> list[Value]:
    return [dot(vector, row) for row in weights]


def plus(a: list[Value], b: list[Value]) -> list[Value]:
    return [x + y for x, y in zip(a, b)]


def normed(vector: list[Value]) -> list[Value]:
    """Divide by the root of the mean square."""
    scale = (dot(vector, vector) / len(vector) + 1e-5).sqrt()
    return [x / scale for x in vector]


def softmax(scores: list[Value]) -> list[Value]:
    powers = [score.exp() for score in scores]
    total = sum(powers[1:], powers[0])
    return [power / total for power in powers]


def attention(vectors: list[list[Value]]) -> list[list[Value]]:
    """Let each position look back at those before it, and at itself."""
    looked = [[times(weights, vector) for vector in vectors] for weights in (queries, keys, values)]
    size = WIDTH // HEADS
    mixed = []
    for place in range(LENGTH):
        found: list[Value] = []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            query, seen = looked[0][place][part], range(place + 1)
            weights = softmax([dot(query, looked[1][other][part]) / math.sqrt(size) for other in seen])
            found += times(list(map(list, zip(*(looked[2][other][part] for other in seen)))), weights)
        mixed.append(times(attended, found))
    return mixed


def forward(ones: list[list[Value]]) -> list[list[Value]]:
    """Give at each position the logits of the next letter."""
    states = [plus(times(embedding, one), place) for one, place in zip(ones, position)]
    states = [plus(state, new) for state, new in zip(states, attention([normed(state) for state in states]))]
    states = [plus(s, times(back, [net.relu() for net in times(hidden, normed(s))])) for s in states]
    return [times(unembedding, normed(state)) for state in states]


def loss_of(logits: list[list[Value]], wanted: list[list[Value]]) -> Value:
    """Compute the cross-entropy, the mean over the letters of a name; after its end nothing is wanted."""
    total = Value(0.0)
    for row, ones in zip(logits, wanted):
        total = total + sum(ones[1:], ones[0]) * sum((z.exp() for z in row[1:]), row[0].exp()).log() - dot(row, ones)
    return total / sum(one for ones in wanted for one in ones)


def one_hot(text: str) -> list[float]:
    """Write letters as rows of 0 and one 1, and after the end rows of 0."""
    marks = [[float(letter == other) for other in LETTERS] for letter in text]
    return [mark for row in marks for mark in row] + [0.0] * (len(LETTERS) * (LENGTH - len(text)))


def record(row: list[float]) -> tuple[Value, list[Value], list[Value]]:
    """Record the graph of one name: its loss, its inputs and its logits."""
    inputs = [Value(mark) for mark in row]
    rows = [inputs[start : start + len(LETTERS)] for start in range(0, len(inputs), len(LETTERS))]
    logits = forward(rows[:LENGTH])
    return loss_of(logits, rows[LENGTH:]), inputs, [logit for row in logits for logit in row]


table = numpy.array([[*one_hot("." + name), *one_hot(name + ".")] for name in names])
start = time.perf_counter()
root, inputs, logits = record(table[0].tolist())
operations = len(scalargrad.topological_order(root))
program = scalargrad.compile(root, inputs, parameters, outputs=logits)
print(f"{len(names)} names, {len(parameters)} parameters, a graph of {operations} nodes for one name")
print(f"set up in {time.perf_counter() - start:.1f} s for target {program.target}")

start = time.perf_counter()
for row in table[:EAGER]:
    record(row.tolist())[0].backward()
    for parameter in parameters:
        parameter.grad = 0.0
eager = (time.perf_counter() - start) / EAGER * BATCH

numbers = numpy.array([parameter.data for parameter in parameters])
optimizer = Adam(parameters, cosine(0.01, STEPS))
before = program(table, numbers)[0]
start = time.perf_counter()
for _ in range(STEPS):
    _, gradients = program(table, numbers, rows=rng.sample(range(len(names)), BATCH))
    numbers = optimizer.updated(numbers, gradients)
step = (time.perf_counter() - start) / STEPS
print(f"loss {before:.3f} (ln 27 = {math.log(27):.3f} for guessing) to {program(table, numbers)[0]:.3f}")
print(f"{1e3 * step:.2f} ms a step of {BATCH} names; the engine would take {eager:.1f} s")

made_up = []
for _ in range(10):
    text = "."
    while len(text) <= LENGTH - 1 and (text == "." or text[-1] != "."):
        row = numpy.array([[*one_hot(text), *one_hot("")]])
        scores = program.predict(row, numbers).reshape(LENGTH, len(LETTERS))[len(text) - 1]
        text += rng.choices(LETTERS, numpy.exp(scores - scores.max()))[0]
    made_up.append(text.strip("."))
print("made up:", ", ".join(made_up))
