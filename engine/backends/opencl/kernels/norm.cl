/* Batch normalisation: moments of the channels, forward, backward, running statistics.
   Forward and backward take an activation function f behind it along, and an add between
   the two, so that what lies between is neither written nor read.

   Formulas: engine/layers/norm.py, fused.py; f: functions.cl. x (n, C, P) as in common.cl, P places to a channel;
   statistics are numbers, one to a channel. Two kinds of kernels:

       over blocks    one work-item: EACH channels of a block of samples, place by place
       over channels  one work-item: one channel; the samples' sums are added in order,
                      then the lanes in a fixed tree

   What is summed over the samples is masked to the real ones, and so is what is written
   for the layers behind and before. C, P, EACH, AFFINE, SHORTCUT are compiled in. */

#ifndef STREAMED
#define STREAMED 0 /* whether y is so large that it is stored past the caches */
#endif
#define GROUPS ((C + EACH - 1) / EACH)
#define OVER_BLOCKS                                      \
    const size_t block = get_global_id(0) / GROUPS;      \
    const size_t begin = get_global_id(0) % GROUPS * EACH; \
    const size_t end = min(begin + EACH, (size_t)C);
#define MASKED(v) (real_lanes(block, n) ? (v) : ZERO)
#define FACTOR(c) ((AFFINE ? gamma[c] : 1.0f) / sqrt(variance[c] + epsilon))

/* Sums over a channel's places run in as many chains, so that an addition need not wait
   for the one before it; the chains are added in order. */
#define CHAINS (P % 4 == 0 ? 4 : 1)
static inline __attribute__((always_inline)) vec chain_sum(const vec *chains) {
    vec sum = chains[0];
    for (size_t j = 1; j < CHAINS; j++) sum += chains[j];
    return sum;
}
#define EACH_PLACE(i)                        \
    for (size_t place = 0; place < P; place += CHAINS) \
        _Pragma("unroll") for (size_t j = 0, i = place; j < CHAINS; j++, i++)

/* Each sample's mean and variance. Sums are of x - x[0], which is small where x is not. */
KERNEL sample_moments(IN x, OUT means, OUT variances) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        IN map = x + (block * C + c) * P;
        const vec first = map[0];
        vec sums[CHAINS] = {ZERO}, squares[CHAINS] = {ZERO};
        EACH_PLACE(i) sums[j] += map[i] - first;
        const vec mean = first + chain_sum(sums) / (float)P;
        EACH_PLACE(i) {
            const vec e = map[i] - mean;
            squares[j] += e * e;
        }
        means[block * C + c] = mean;
        variances[block * C + c] = chain_sum(squares) / (float)P;
    }
}

/* The batch's mean is that of the samples' means; its variance that of their means and
   the mean of theirs: every sample has as many values. */
KERNEL moments(IN means, IN variances, NUMBERS_OUT mean, NUMBERS_OUT variance,
               const uint n, const uint blocks) {
    const size_t c = get_global_id(0);
    const float first = ((NUMBERS_IN)means)[c * LANES];
    vec sum = ZERO, squares = ZERO;
    for (size_t block = 0; block < blocks; block++)
        sum += MASKED(means[block * C + c] - first);
    const float centre = first + lane_sum(sum) / n;
    for (size_t block = 0; block < blocks; block++) {
        const vec e = means[block * C + c] - centre;
        squares += MASKED(variances[block * C + c] + e * e);
    }
    mean[c] = centre;
    const float v = lane_sum(squares) / n;
    variance[c] = v + (v - v); /* NaN for an infinity: x / ∞ would hide it */
}

/* y = f(z), z = γ (x − mean) / √(variance + ε) + β, + shortcut with SHORTCUT. z − z is
   0, or NaN for an infinity that f would hide. */
KERNEL norm_forward(IN x, IN shortcut, OUT y, NUMBERS_IN mean, NUMBERS_IN variance,
                    NUMBERS_IN gamma, NUMBERS_IN beta, const float epsilon,
                    const float slope, const uint n) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        const float factor = FACTOR(c), shift = AFFINE ? beta[c] : 0.0f;
        const size_t map = (block * C + c) * P;
        for (size_t i = map; i < map + P; i++) {
            vec z = (x[i] - mean[c]) * factor + shift;
            if (SHORTCUT) z += shortcut[i];
            const vec v = MASKED(VALUE(z) + (z - z));
            if (STREAMED) STREAM(y + i, v);
            else y[i] = v;
        }
    }
    if (STREAMED) { STREAM_END }
}

/* Of each sample, Σ dz and Σ dz (x - mean) for dz = f'(z) dy; with SHORTCUT dz itself,
   which may be dy. */
KERNEL sample_sums(IN x, IN y, __global const vec *dy, __global vec *dz, NUMBERS_IN mean,
                   OUT totals, OUT alongs, const float slope) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        const size_t map = (block * C + c) * P;
        const float centre = mean[c];
        vec total[CHAINS] = {ZERO}, along[CHAINS] = {ZERO};
        EACH_PLACE(i) {
            const vec e = SLOPE_OF(y[map + i]) * dy[map + i];
            if (SHORTCUT) dz[map + i] = e;
            total[j] += e;
            along[j] += e * (x[map + i] - centre);
        }
        totals[block * C + c] = chain_sum(total);
        alongs[block * C + c] = chain_sum(along);
    }
}

/* The padding lanes of dy are 0. */
KERNEL channel_sums(IN totals, IN alongs, NUMBERS_IN variance, NUMBERS_OUT dgamma,
                    NUMBERS_OUT dbeta, const float epsilon, const uint blocks) {
    const size_t c = get_global_id(0);
    vec total = ZERO, along = ZERO;
    for (size_t block = 0; block < blocks; block++) {
        total += totals[block * C + c];
        along += alongs[block * C + c];
    }
    dbeta[c] = lane_sum(total);
    dgamma[c] = lane_sum(along) / sqrt(variance[c] + epsilon);
}

/* dx, from dgamma and dbeta; `count` values to a channel. Without SHORTCUT dz is dy, and
   dx may be that. */
KERNEL norm_data(IN x, IN y, __global const vec *dz, __global vec *dx, NUMBERS_IN mean,
                 NUMBERS_IN variance, NUMBERS_IN gamma, NUMBERS_IN beta,
                 NUMBERS_IN dgamma, NUMBERS_IN dbeta, const float epsilon,
                 const float count, const float slope, const uint n) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        const float factor = FACTOR(c), centre = mean[c];
        const float along = dgamma[c] / (count * sqrt(variance[c] + epsilon));
        const float total = dbeta[c] / count;
        const size_t map = (block * C + c) * P;
        for (size_t i = map; i < map + P; i++) {
            const vec e = SHORTCUT ? dz[i] : SLOPE_OF(y[i]) * dz[i];
            dx[i] = MASKED(factor * (e - total - (x[i] - centre) * along));
        }
    }
}

KERNEL blend(NUMBERS_OUT kept, NUMBERS_IN new, NUMBERS_IN fault, const float old_part,
             const float new_part, const uint size) {
    if (fault[0] != 0.0f) return;
    for (size_t i = 0; i < size; i++) kept[i] = old_part * kept[i] + new_part * new[i];
}
