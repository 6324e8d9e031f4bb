/* Local response normalisation, forward and backward.

   Formulas: engine/layers/local_response_norm.py. All arrays (n, C, H, W) as in
   common.cl. One work-item: one map of a block of samples. A window is the channels
   c - BEFORE ... c + AFTER, as far as there are such; sums run over them in order.

   C, PLACES (H · W), BEFORE, AFTER are compiled in. */

/* The first channel of a window about c, and the one behind its last. */
#define FIRST(c, before) max((c) - (before), 0)
#define LAST(c, after) min((c) + (after) + 1, C)

/* s^-beta; s is above 0. PoCL computes exp and log as vectors, but pow lane by lane. */
#define POWER(s) exp(-beta * log(s))

KERNEL forward(IN x, OUT y, OUT s, const float share, const float beta,
               const float bias) {
    const size_t id = get_global_id(0);
    const int c = id % C;
    const size_t own = id * PLACES, first = (id - c) * PLACES;
    for (size_t p = 0; p < PLACES; p++) {
        vec sum = ZERO;
        for (int other = FIRST(c, BEFORE); other < LAST(c, AFTER); other++) {
            const vec value = x[first + other * PLACES + p];
            sum += value * value;
        }
        const vec scale = bias + share * sum;
        s[own + p] = scale;
        /* s - s is 0, or NaN where s overflows and would hide x. */
        y[own + p] = x[own + p] * POWER(scale) + (scale - scale);
    }
}

/* factor = 2 α β / size. The windows that hold c belong to c - AFTER ... c + BEFORE. */
KERNEL backward(IN x, IN y, IN s, IN dy, OUT dx, const float factor, const float beta) {
    const size_t id = get_global_id(0);
    const int c = id % C;
    const size_t own = id * PLACES, first = (id - c) * PLACES;
    for (size_t p = 0; p < PLACES; p++) {
        vec sum = ZERO;
        for (int other = FIRST(c, AFTER); other < LAST(c, BEFORE); other++) {
            const size_t i = first + other * PLACES + p;
            sum += dy[i] * y[i] / s[i];
        }
        const size_t i = own + p;
        dx[i] = dy[i] * POWER(s[i]) - factor * x[i] * sum;
    }
}
