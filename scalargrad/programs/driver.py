"""The C that all programs in loops share: the rows of a batch tile by tile, through the loops that the tables list.

Reads nothing. `loops` writes the tables, `kernels` the loops.
"""

TILE_ROWS = 32  # rows that are worked on at a time, as long as their numbers fit into a processor's cache

LOOPS_HEAD = (
    f"#define TILE {TILE_ROWS}\n"
    + """\
typedef int32_t i4;
typedef void kernel(const i4 *w, const i4 *t, double *s, const double *p, const double *q, int64_t n);
typedef void total(const i4 *w, const i4 *t, const double *s, const double *x, const double *const *from,
                   const double *c, double *g, int64_t rows, int is_first);
#if defined(__AVX__) && defined(__GNUC__)
#define KEEP(x) __asm__("" : "+v"(x))  /* in a register: without this GCC reads it from memory at each use */
#else
#define KEEP(x)
#endif
"""
)

DRIVER = """\
static void through(kernel *const *kernels, const i4 *t, const i4 *w, const i4 *end, double *s, const double *p,
                    const double *q, int64_t n)
{
    for (; w < end; w += w[1]) kernels[w[0]](w, t, s, p, q, n);
}

static void gather(const i4 *t, const i4 *w, const i4 *end, const double *q, double *c)
{
    for (; w < end; w += 5)
        for (int64_t j = 0; j < w[0]; j++)
            for (int64_t i = 0; i < w[1]; i++) c[w[4] + j * w[2] + i] = q[t[w[3] + j * w[1] + i]];
}

/* Put scalars that stand in rows of a tile side by side, for each row of the batch; inputs stand so already. */
static void turn(const i4 *t, const i4 *w, const i4 *end, const double *const *from, const double *s, double *x,
                 int64_t n)
{
    for (; w < end; w += 5) {
        if (w[4] >= 0) {
            for (int64_t r = 0; r < n * LANES; r++) {
                memcpy(x + w[3] + r * w[1], from[r] + w[4], w[0] * sizeof(double));
                for (int64_t i = w[0]; i < w[1]; i++) x[w[3] + r * w[1] + i] = 0;
            }
            continue;
        }
        for (int64_t i = 0; i < w[1]; i += LANES)
            for (int64_t r = 0; r < n * LANES; r += LANES) {
                v m[LANES];
                EACH_LANE(j) m[j] = i + j < w[0] ? AT(s + t[w[2] + i + j] + r) : (v){0};
                transpose(m);
                EACH_LANE(j) AT(x + w[3] + (r + j) * w[1] + i) = m[j];
            }
    }
}

/* What to do stands in the tables, from `start` on: sizes, and where each list begins and ends. */
struct plan {
    i4 start, columns, parameters, copied, numbers, uniforms, tile, slots, sums, turned, gathered, loss, loss_varies;
    i4 once, once_end, each, each_end, gathers, gathers_end, turns, turns_end, totals, totals_end, places, places_end;
    i4 zeros, zeros_end;
    i4 checks, checks_end, checks_once, checks_once_end, results, results_end, results_once, results_once_end;
};

static int64_t numbers_of(const struct plan *h)
{
    return h->parameters + h->numbers + h->uniforms + (int64_t)h->slots * h->tile + h->sums + h->turned + h->gathered;
}

/* Write the mean gradients where they belong, and say whether one is not finite. */
static mask place(const i4 *t, const i4 *w, const i4 *end, double *g, int64_t of, double *out)
{
    mask bad = {0};
    double part = 1.0 / of;
    for (; w < end; w += 6)
        for (int64_t j = 0; j < w[0]; j++) {
            double *from = g + w[3] + j * w[2];
            const i4 *to = t + w[4] + j * w[1];
            for (int64_t i = 0; i < w[1]; i += LANES) {
                v mean = of & (of - 1) ? AT(from + i) / (double)of : AT(from + i) * part;  /* the same, for 2, 4, 8 */
                bad |= unfinite(mean);
                AT(from + i) = mean;
                if (w[5] && i + LANES <= w[1]) LOOSE(out + *to + i) = mean;
                else for (int64_t k = i; k < i + LANES && k < w[1]; k++) out[to[k]] = from[k];
            }
        }
    return bad;
}

int64_t space(const i4 *t) { return numbers_of((const struct plan *)t) + 8; }

ENTRY(program)
{
    const struct plan *h = (const struct plan *)tables;
    const i4 *t = tables - h->start;
    double *s = (double *)(((uintptr_t)given + 63) & ~(uintptr_t)63), *g = s + (int64_t)h->slots * h->tile;
    double *x = g + h->sums, *c = x + h->turned, *q = c + h->gathered;
    double loss = 0;
    const double *from[TILE], *from_x[TILE];
    mask bad = {0}, lost = {0};
    int64_t results = (h->results_end - h->results + h->results_once_end - h->results_once) / 2;
    memcpy(q, p, h->copied * sizeof(double));
    memcpy(q + h->parameters, constants, h->numbers * sizeof(double));
    through(once, t, t + h->once, t + h->once_end, q, p, q, 1);
    for (const i4 *w = t + h->checks_once; w < t + h->checks_once_end; w++) lost |= unfinite(V(q[*w]));
    gather(t, t + h->gathers, t + h->gathers_end, q, c);
    for (int64_t start = 0; start < rows; start += h->tile) {
        int64_t count = rows - start < h->tile ? rows - start : h->tile, n = (count + LANES - 1) / LANES;
        for (int64_t r = 0; r < n * LANES; r++) {
            int64_t row = start + (r < count ? r : count - 1);
            from[r] = batch + (index ? index[row] : row) * stride;
        }
        bad |= read_rows(from, h->columns, h->tile, n, s);
        through(each, t, t + h->each, t + h->each_end, s, p, q, n);
        for (const i4 *w = t + h->checks; w < t + h->checks_end; w++)
            for (int64_t i = 0; i < n; i++) lost |= unfinite(AT(s + *w + i * LANES));
        if (gradients) {
            for (int64_t r = 0; r < count; r++) loss += h->loss_varies ? s[h->loss + r] : q[h->loss];
            turn(t, t + h->turns, t + h->turns_end, from, s, x, n);
            for (const i4 *w = t + h->totals; w < t + h->totals_end; w += w[1]) {
                for (int64_t r = 0; r < count; r++) from_x[r] = w[7] >= 0 ? from[r] + w[7] : x + w[6] + r * w[3];
                totals[w[0]](w, t, s, x, from_x, c, g, count, start == 0);
            }
        }
        if (outputs) {
            for (const i4 *w = t + h->results; w < t + h->results_end; w += 2) {
                for (int64_t i = 0; i < n; i++) lost |= unfinite(AT(s + w[1] + i * LANES));
                for (int64_t r = 0; r < count; r++) outputs[(start + r) * results + w[0]] = s[w[1] + r];
            }
            for (const i4 *w = t + h->results_once; w < t + h->results_once_end; w += 2) {
                lost |= unfinite(V(q[w[1]]));
                for (int64_t r = 0; r < count; r++) outputs[(start + r) * results + w[0]] = q[w[1]];
            }
        }
    }
    if (gradients) {
        for (const i4 *w = t + h->zeros; w < t + h->zeros_end; w++) gradients[*w] = 0;
        lost |= place(t, t + h->places, t + h->places_end, g, of, gradients);
        loss /= of;
        lost |= unfinite(V(loss));
    }
    return any(bad) ? failed(BAD_BATCH, given) : any(lost) ? failed(NOT_FINITE, given) : loss;
}
"""
