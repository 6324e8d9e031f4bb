/* Losses and their gradients.

   Formulas: engine/losses.py. z, t, dz (n, K), losses (n, 1) as in common.cl; class
   targets are (n, 1), numbers as floats. One work-item: a block of samples, over all K
   outputs in order. Lanes behind the last sample get loss 0 and gradient 0: from here on
   they add nothing to any sum. dz is written only if `wanted`. */

#define GUARDED 2048 /* gradients a work-item of the guard looks at */

#define BEGIN                                          \
    const size_t block = get_global_id(0);             \
    const ivec real = real_lanes(block, n);           \
    z += block * K;                                    \
    t += block * TARGETS;                              \
    dz += block * K;                                   \
    vec sum = ZERO;
#define MASKED(v) (real ? (v) : ZERO)

/* Σ_k TERM · each and its derivative STEP, of a = z[k], b = t[k], e = a - b. */
#define PER_OUTPUT(TERM, STEP)                                          \
    BEGIN                                                               \
    for (size_t k = 0; k < K; k++) {                                    \
        const vec a = z[k], b = t[k], e = a - b;                        \
        sum += (TERM);                                                  \
        if (wanted) dz[k] = MASKED(scale * each * (STEP));              \
    }                                                                   \
    losses[block] = MASKED(each * sum);
#define ARGUMENTS                                                       \
    IN z, IN t, OUT dz, OUT losses, const uint n, const float scale,    \
        const float each, const int wanted

KERNEL squared_error(ARGUMENTS) {
    PER_OUTPUT(0.5f * e * e, e)
}

KERNEL mean_squared_error(ARGUMENTS) {
    PER_OUTPUT(e * e, 2.0f * e)
}

KERNEL mean_absolute_error(ARGUMENTS) {
    PER_OUTPUT(fabs(e), sign(e))
}

KERNEL binary_cross_entropy(ARGUMENTS) {
    PER_OUTPUT((a > ZERO ? a : ZERO) - a * b + log1p(exp(-fabs(a))),
               1.0f / (1.0f + exp(-a)) - b)
}

/* m = max z, total = Σ e^{z − m}; leaves e^{z − m} in dz if wanted. */
#define SOFTMAX                                                                \
    vec m = z[0];                                                              \
    for (size_t k = 1; k < K; k++) m = m > z[k] ? m : z[k];                    \
    vec total = ZERO;                                                          \
    for (size_t k = 0; k < K; k++) {                                           \
        const vec e = exp(z[k] - m);                                           \
        total += e + (z[k] - z[k]); /* NaN where z is infinite */              \
        if (wanted) dz[k] = e;                                                 \
    }                                                                          \
    const vec log_total = log(total);

KERNEL softmax_cross_entropy(ARGUMENTS) {
    BEGIN
    SOFTMAX
    vec mass = ZERO;
    for (size_t k = 0; k < K; k++) {
        sum += t[k] * (log_total - (z[k] - m));
        mass += t[k];
    }
    if (wanted)
        for (size_t k = 0; k < K; k++)
            dz[k] = MASKED(scale * (dz[k] / total * mass - t[k]));
    losses[block] = MASKED(sum);
}

KERNEL softmax_cross_entropy_classes(ARGUMENTS) {
    BEGIN
    SOFTMAX
    for (size_t k = 0; k < K; k++) {
        const ivec hit = t[0] == (vec)(float)k;
        sum += hit ? log_total - (z[k] - m) : ZERO;
        if (wanted)
            dz[k] = MASKED(scale * (dz[k] / total - (hit ? (vec)1.0f : ZERO)));
    }
    losses[block] = MASKED(sum);
}

/* losses[0] = fault[0] = NaN if a gradient or a loss is NaN or infinite. Whoever finds one
   writes the same. 0 · g is 0, or NaN for such a g. The losses are copied to `rows`, as
   they were; the number behind them becomes NaN, too. */
KERNEL guard(NUMBERS_IN gradients, __global vec *losses, __global float *fault,
             __global float *rows, const ulong count, const uint blocks) {
    const size_t begin = get_global_id(0) * GUARDED;
    const size_t end = min(begin + GUARDED, (size_t)count);
    vec sum[4] = {ZERO, ZERO, ZERO, ZERO};
    size_t i = begin;
    for (; i + 4 * LANES <= end; i += 4 * LANES)
#pragma unroll
        for (int k = 0; k < 4; k++)
            sum[k] += ZERO * load_first(gradients + i + k * LANES, LANES);
    for (; i < end; i += LANES) sum[0] += ZERO * load_first(gradients + i, end - i);
    if (get_global_id(0) == 0)
        for (uint block = 0; block < blocks; block++) {
            sum[0] += ZERO * losses[block];
            store_first(losses[block], rows + block * LANES, LANES);
        }
    if (any(isnan(sum[0] + sum[1] + (sum[2] + sum[3])))) {
        ((__global float *)losses)[0] = NAN;
        fault[0] = NAN;
        rows[blocks * LANES] = NAN;
    }
}
