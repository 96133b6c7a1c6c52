// Finds the nearest word, by the same measure as Python's difflib: twice the common signs over all signs.

const NEAR_ENOUGH = 0.6;

/** Gives the word of `words` that is nearest to `word`, or null where none is near; of two alike the later in order. */
export function nearest(word, words) {
  let best = null;
  for (const other of words) {
    const [a, b] = [[...other], [...word]];
    const measure = (2 * common(a, 0, a.length, b, 0, b.length)) / (a.length + b.length);
    if (measure < NEAR_ENOUGH) continue;
    if (!best || measure > best.measure || (measure === best.measure && other > best.other)) best = { measure, other };
  }
  return best?.other ?? null;
}

/** Counts the signs in common: those of the longest common run, and in the same way of what is left and right of it. */
function common(a, fromA, toA, b, fromB, toB) {
  let [startA, startB, length] = [fromA, fromB, 0];
  let before = new Map(); // for each place in b, how long a run of common signs ends there
  for (let i = fromA; i < toA; i++) {
    const now = new Map();
    for (let j = fromB; j < toB; j++) {
      if (a[i] !== b[j]) continue;
      const run = (before.get(j - 1) ?? 0) + 1;
      now.set(j, run);
      if (run > length) [startA, startB, length] = [i - run + 1, j - run + 1, run];
    }
    before = now;
  }
  if (!length) return 0;
  const left = common(a, fromA, startA, b, fromB, startB);
  return left + length + common(a, startA + length, toA, b, startB + length, toB);
}
