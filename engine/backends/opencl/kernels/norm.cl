/* Batch normalisation: moments of the channels, forward, backward, running statistics.

   Formulas: engine/layers/norm.py. x (n, C, P) as in common.cl, P places to a channel;
   statistics are numbers, one to a channel. Two kinds of kernels:

       over blocks    one work-item: EACH channels of a block of samples, place by place
       over channels  one work-item: one channel; the samples' sums are added in order,
                      then the lanes in a fixed tree

   What is summed over the samples is masked to the real ones, and so is what is written
   for the layers behind and before. C, P, EACH, AFFINE are compiled in. */

#define GROUPS ((C + EACH - 1) / EACH)
#define OVER_BLOCKS                                      \
    const size_t block = get_global_id(0) / GROUPS;      \
    const size_t begin = get_global_id(0) % GROUPS * EACH; \
    const size_t end = min(begin + EACH, (size_t)C);
#define MASKED(v) select(ZERO, v, real_lanes(block, n))
#define SLOPE(c) ((AFFINE ? gamma[c] : 1.0f) / sqrt(variance[c] + epsilon))

/* Each sample's mean and variance. Sums are of x - x[0], which is small where x is not. */
KERNEL sample_moments(IN x, OUT means, OUT variances) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        IN map = x + (block * C + c) * P;
        const vec first = map[0];
        vec sum = ZERO, squares = ZERO;
        for (size_t i = 0; i < P; i++) sum += map[i] - first;
        const vec mean = first + sum / (float)P;
        for (size_t i = 0; i < P; i++) {
            const vec e = map[i] - mean;
            squares += e * e;
        }
        means[block * C + c] = mean;
        variances[block * C + c] = squares / (float)P;
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

KERNEL norm_forward(IN x, OUT y, NUMBERS_IN mean, NUMBERS_IN variance, NUMBERS_IN gamma,
                    NUMBERS_IN beta, const float epsilon, const uint n) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        const float slope = SLOPE(c), shift = AFFINE ? beta[c] : 0.0f;
        const size_t map = (block * C + c) * P;
        for (size_t i = map; i < map + P; i++)
            y[i] = MASKED((x[i] - mean[c]) * slope + shift);
    }
}

/* Of each sample, Σ dy and Σ dy (x - mean). */
KERNEL sample_sums(IN x, IN dy, NUMBERS_IN mean, OUT totals, OUT alongs) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        const size_t map = (block * C + c) * P;
        vec total = ZERO, along = ZERO;
        for (size_t i = map; i < map + P; i++) {
            total += dy[i];
            along += dy[i] * (x[i] - mean[c]);
        }
        totals[block * C + c] = total;
        alongs[block * C + c] = along;
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

/* dx, from dgamma and dbeta; `count` values to a channel. */
KERNEL norm_data(IN x, IN dy, OUT dx, NUMBERS_IN mean, NUMBERS_IN variance,
                      NUMBERS_IN gamma, NUMBERS_IN beta, NUMBERS_IN dgamma,
                      NUMBERS_IN dbeta, const float epsilon, const float count,
                      const uint n) {
    OVER_BLOCKS
    for (size_t c = begin; c < end; c++) {
        const float slope = SLOPE(c);
        const float along = dgamma[c] / (count * sqrt(variance[c] + epsilon));
        const float total = dbeta[c] / count;
        const size_t map = (block * C + c) * P;
        for (size_t i = map; i < map + P; i++)
            dx[i] = MASKED(slope * (dy[i] - total - (x[i] - mean[c]) * along));
    }
}

KERNEL blend(NUMBERS_OUT kept, NUMBERS_IN new, NUMBERS_IN fault, const float old_part,
             const float new_part, const uint size) {
    if (fault[0] != 0.0f) return;
    for (size_t i = 0; i < size; i++) kept[i] = old_part * kept[i] + new_part * new[i];
}
