/* Clip, scale and product.

   Formulas: engine/layers/activation.py (Clip), scale.py, merge.py (Multiply). Layout as
   in common.cl, `count` vectors in all. Of an array with fewer numbers than its partner
   each serves `each` vectors in a row: vector i of the longer meets i / each of the
   shorter, where an array with all numbers has each = 1.

   One work-item: CHUNK vectors in a row, or one of the sums. */

#define CHUNK 64
#define BEGIN (get_global_id(0) * CHUNK)
#define END (BEGIN + CHUNK < count ? BEGIN + CHUNK : (size_t)count)

KERNEL clip_forward(IN x, OUT y, const float low, const float high, const ulong count) {
    for (size_t i = BEGIN; i < END; i++) {
        const vec above = x[i] < low ? (vec)low : x[i]; /* NaN stays NaN */
        const vec value = above > high ? (vec)high : above;
        y[i] = value + (x[i] - x[i]); /* NaN for an infinity that a limit would hide */
    }
}

KERNEL clip_backward(IN y, IN dy, OUT dx, const float low, const float high,
                     const ulong count) {
    for (size_t i = BEGIN; i < END; i++)
        dx[i] = (y[i] > low & y[i] < high) ? dy[i] : ZERO;
}

/* w and b have `numbers` numbers; b is read where with_bias is 1. */
KERNEL scale(IN x, NUMBERS_IN w, NUMBERS_IN b, OUT y, const uint numbers, const uint each,
             const int with_bias, const ulong count) {
    size_t k = BEGIN / each % numbers, left = each - BEGIN % each;
    for (size_t i = BEGIN; i < END; i++) {
        y[i] = w[k] * x[i] + (with_bias ? b[k] : 0.0f);
        if (--left == 0) {
            left = each;
            if (++k == numbers) k = 0;
        }
    }
}

/* One work-item: one weight (if dw is wanted) and one bias (if db is). Sums run in
   stretches, so that a long one loses no digits. The padding lanes hold dy = 0. */
KERNEL scale_weights(IN x, IN dy, NUMBERS_OUT dw, NUMBERS_OUT db, const uint numbers,
                     const uint each, const int with_weight, const int with_bias,
                     const uint blocks) {
    const size_t k = get_global_id(0);
    vec weight = ZERO, bias = ZERO;
    for (size_t block = 0; block < blocks; block++) {
        const size_t first = (block * numbers + k) * each;
        for (size_t begin = first; begin < first + each; begin += CHUNK) {
            const size_t end = min(begin + CHUNK, first + each);
            vec products = ZERO, sum = ZERO;
            for (size_t i = begin; i < end; i++) {
                products += dy[i] * x[i];
                sum += dy[i];
            }
            weight += products;
            bias += sum;
        }
    }
    if (with_weight) dw[k] = lane_sum(weight);
    if (with_bias) db[k] = lane_sum(bias);
}

/* y may be a or b where that has each = 1: an element is read before it is written. */
KERNEL multiply(__global const vec *a, __global const vec *b, __global vec *y,
                const uint a_each, const uint b_each, const ulong count) {
    size_t ia = BEGIN / a_each, a_left = a_each - BEGIN % a_each;
    size_t ib = BEGIN / b_each, b_left = b_each - BEGIN % b_each;
    for (size_t i = BEGIN; i < END; i++) {
        y[i] = a[ia] * b[ib];
        if (--a_left == 0) ia++, a_left = a_each;
        if (--b_left == 0) ib++, b_left = b_each;
    }
}

/* One work-item: one vector of y, the sum over its `each` features. a has all of them;
   b too, or with b_each = each as many as y. */
KERNEL multiply_sum(IN a, IN b, OUT y, const uint each, const uint b_each) {
    const size_t id = get_global_id(0), first = id * each;
    vec total = ZERO;
    for (uint begin = 0; begin < each; begin += CHUNK) {
        const uint end = min(begin + CHUNK, each);
        vec sum = ZERO;
        for (uint i = begin; i < end; i++)
            sum += a[first + i] * b[b_each == 1 ? first + i : id];
        total += sum;
    }
    y[id] = total;
}
