"""The C that all programs in loops share: the rows of a batch tile by tile, through the loops that the tables list.

Reads nothing. `loops` writes the tables, `kernels` the loops.
"""

TILE_ROWS = 32  # rows that are worked on at a time, as long as their numbers fit into a processor's cache

LOOPS_HEAD = (
    f"#define TILE {TILE_ROWS}\n"
    + """\
typedef int32_t i4;
typedef void kernel(const i4 *w, const i4 *t, double *s, const double *q, int64_t n);
typedef void total(const i4 *w, const i4 *t, const double *s, const double *x, const double *c, double *g,
                   int64_t rows);
typedef double unaligned __attribute__((vector_size(WIDTH), aligned(8)));
#define AT(p) (*(v *)(p))
#if defined(__clang__) || __GNUC__ >= 12
#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MIX(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#define MIXED(i, j, even, odd) { v a = m[i], b = m[j]; m[i] = MIX(a, b, even); m[j] = MIX(a, b, odd); }
#define LIST(...) __VA_ARGS__
#if defined(__AVX__) && defined(__GNUC__)
#define KEEP(x) __asm__("" : "+v"(x))  /* in a register: without this GCC reads it from memory at each use */
#else
#define KEEP(x)
#endif
#define EACH_LANE(j) _Pragma("GCC unroll 8") for (int j = 0; j < LANES; j++)

/* Turn rows into columns: LANES vectors. */
static inline __attribute__((always_inline)) void transpose(v *m)
{
#if WIDTH == 64
#define STEP(i) MIXED(i, i + 1, LIST(0, 8, 2, 10, 4, 12, 6, 14), LIST(1, 9, 3, 11, 5, 13, 7, 15))
    STEP(0) STEP(2) STEP(4) STEP(6)
#undef STEP
#define STEP(i) MIXED(i, i + 2, LIST(0, 1, 8, 9, 4, 5, 12, 13), LIST(2, 3, 10, 11, 6, 7, 14, 15))
    STEP(0) STEP(1) STEP(4) STEP(5)
#undef STEP
#define STEP(i) MIXED(i, i + 4, LIST(0, 1, 2, 3, 8, 9, 10, 11), LIST(4, 5, 6, 7, 12, 13, 14, 15))
    STEP(0) STEP(1) STEP(2) STEP(3)
#elif WIDTH == 32
#define STEP(i) MIXED(i, i + 1, LIST(0, 4, 2, 6), LIST(1, 5, 3, 7))
    STEP(0) STEP(2)
#undef STEP
#define STEP(i) MIXED(i, i + 2, LIST(0, 1, 4, 5), LIST(2, 3, 6, 7))
    STEP(0) STEP(1)
#else
#define STEP(i) MIXED(i, i + 1, LIST(0, 2), LIST(1, 3))
    STEP(0)
#endif
#undef STEP
}
"""
)

DRIVER = """\
static void run(kernel *const *kernels, const i4 *t, const i4 *w, const i4 *end, double *s, const double *q, int64_t n)
{
    for (; w < end; w += w[1]) kernels[w[0]](w, t, s, q, n);
}

static void gather(const i4 *t, const i4 *w, const i4 *end, const double *q, double *c)
{
    for (; w < end; w += 6)
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

struct plan {
    i4 columns, parameters, numbers, uniforms, tile, slots, sums, turned, gathered;
    i4 once, once_end, each, each_end, gathers, gathers_end, turns, turns_end, totals, totals_end, places, places_end;
    i4 checks, checks_end, checks_once, checks_once_end, results, results_end, results_once, results_once_end;
};

static int64_t numbers_of(const struct plan *h)
{
    return h->parameters + h->numbers + h->uniforms + (int64_t)h->slots * h->tile + h->sums + h->turned + h->gathered;
}

/* Work on the rows tile by tile. `out` gets of a step the gradients, then the loss; of a prediction
   rows x results, then what is 0 unless a number is not finite. */
static int work(int64_t rows, int64_t of, int64_t stride, const int64_t *index, const double *batch, const double *p,
                double *out, const double *numbers, const i4 *t, double *space, int is_step)
{
    const struct plan *h = (const struct plan *)t;
    double *s = (double *)(((uintptr_t)space + 63) & ~(uintptr_t)63), *g = s + (int64_t)h->slots * h->tile;
    double *x = g + h->sums, *c = x + h->turned, *q = c + h->gathered;
    double loss = 0, check = 0, part = 1.0 / of;
    const double *rows_of_tile[TILE];
    v bad = {0};
    int64_t width = h->columns, results = (h->results_end - h->results + h->results_once_end - h->results_once) / 2;
    const double *once_loss = h->results < h->results_end ? 0 : q + t[h->results_once + 1];
    memcpy(q, p, h->parameters * sizeof(double));
    memcpy(q + h->parameters, numbers, h->numbers * sizeof(double));
    memset(g, 0, h->sums * sizeof(double));
    run(once, t, t + h->once, t + h->once_end, q, q, 1);
    for (const i4 *w = t + h->checks_once; w < t + h->checks_once_end; w++) check += q[*w] - q[*w];
    gather(t, t + h->gathers, t + h->gathers_end, q, c);
    for (int64_t start = 0; start < rows; start += h->tile) {
        int64_t count = rows - start < h->tile ? rows - start : h->tile, n = (count + LANES - 1) / LANES;
        for (int64_t r = 0; r < n * LANES; r += LANES) {
            const double **from = rows_of_tile + r;
            int64_t i = 0;
            for (int j = 0; j < LANES; j++) {
                int64_t row = start + (r + j < count ? r + j : count - 1);
                from[j] = batch + (index ? index[row] : row) * stride;
            }
            for (; i + LANES <= width; i += LANES) {
                v m[LANES];
                EACH_LANE(j) {
                    m[j] = *(const unaligned *)(from[j] + i);
                    bad += m[j] - m[j];
                }
                transpose(m);
                EACH_LANE(j) AT(s + (i + j) * h->tile + r) = m[j];
            }
            for (; i < width; i++)
                for (int j = 0; j < LANES; j++) {
                    bad[0] += from[j][i] - from[j][i];
                    s[i * h->tile + r + j] = from[j][i];
                }
        }
        run(each, t, t + h->each, t + h->each_end, s, q, n);
        v finite = {0};
        for (const i4 *w = t + h->checks; w < t + h->checks_end; w++)
            for (int64_t i = 0; i < n; i++) finite += AT(s + *w + i * LANES) - AT(s + *w + i * LANES);
        for (int i = 0; i < LANES; i++) check += finite[i];
        if (is_step) {
            for (int64_t r = 0; r < count; r++) loss += once_loss ? *once_loss : s[t[h->results + 1] + r];
            turn(t, t + h->turns, t + h->turns_end, rows_of_tile, s, x, n);
            for (const i4 *w = t + h->totals; w < t + h->totals_end; w += w[1]) totals[w[0]](w, t, s, x, c, g, count);
        } else {
            for (const i4 *w = t + h->results; w < t + h->results_end; w += 2)
                for (int64_t r = 0; r < count; r++) out[(start + r) * results + w[0]] = s[w[1] + r];
            for (const i4 *w = t + h->results_once; w < t + h->results_once_end; w += 2)
                for (int64_t r = 0; r < count; r++) out[(start + r) * results + w[0]] = q[w[1]];
        }
    }
    if (is_step) {
        memset(out, 0, (1 + h->parameters) * sizeof(double));
        v finite = {0};
        for (int64_t i = 0; i < h->sums; i += LANES) {
            AT(g + i) = of & (of - 1) ? AT(g + i) / (double)of : AT(g + i) * part;  /* the same bits for a power of 2 */
            finite += AT(g + i) - AT(g + i);
        }
        for (int i = 0; i < LANES; i++) check += finite[i];
        for (const i4 *w = t + h->places; w < t + h->places_end; w += 6)
            for (int64_t j = 0; j < w[0]; j++) {
                const double *from = g + w[3] + j * w[2];
                const i4 *to = t + w[4] + j * w[1];
                if (w[5]) memcpy(out + *to, from, w[1] * sizeof(double));
                else for (int64_t i = 0; i < w[1]; i++) out[to[i]] = from[i];
            }
        out[h->parameters] = loss / of + check;
    } else
        out[rows * results] = check;
    for (int i = 1; i < LANES; i++) bad[0] += bad[i];
    return bad[0] != bad[0] ? 2 : 0;
}

int64_t space(const i4 *t) { return numbers_of((const struct plan *)t) + 8; }

int step(int64_t rows, int64_t of, int64_t stride, const int64_t *index, const double *batch, const double *p,
         double *out, const double *numbers, const i4 *t, double *space)
{
    return work(rows, of, stride, index, batch, p, out, numbers, t, space, 1);
}

int predict(int64_t rows, int64_t of, int64_t stride, const int64_t *index, const double *batch, const double *p,
            double *out, const double *numbers, const i4 *t, double *space)
{
    return work(rows, of, stride, index, batch, p, out, numbers, t, space, 0);
}
"""
