/* Convolution: sums that end the gradients of weights and biases. Read window.cl first. */

/* dw and db = Σ_shard partial[shard], in the shards' order; one work-item: 256 numbers
   of a shard. */
KERNEL conv_sum_shards(NUMBERS_IN partial, NUMBERS_OUT dw, NUMBERS_OUT db,
                       const uint shards) {
    const size_t weights = F * CG * KH * KW, all = weights + HAS_BIAS * F;
    const size_t begin = get_global_id(0) * 256;
    const size_t count = min(all - begin, (size_t)256);
    float sum[256];
    for (size_t i = 0; i < count; i++) sum[i] = partial[begin + i];
    for (size_t s = 1; s < shards; s++)
        for (size_t i = 0; i < count; i++) sum[i] += partial[s * all + begin + i];
    for (size_t i = 0; i < count; i++)
        if (begin + i < weights) dw[begin + i] = sum[i];
        else db[begin + i - weights] = sum[i];
}

/* db[f] = Σ over samples, rows and columns of dy; one work-item: one filter. */
KERNEL conv_bias(IN dy, NUMBERS_OUT db, const uint blocks) {
    const size_t f = get_global_id(0);
    vec sum = ZERO;
    for (size_t block = 0; block < blocks; block++)
        sum += sum_of(dy + (block * F + f) * OH * OW, OH * OW);
    db[f] = lane_sum(sum);
}
