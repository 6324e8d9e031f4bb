/* Convolution: the gradient of the weights. Read window.cl first.

   One work-item: OT filters of one shard of the sum over samples and output rows; for
   each (c, u) tiles of OT × VT weights, each the sum over (block, oh, ow) in that order.
   `conv_sum_shards` adds the shards in order. Where a tile has so few weights that each
   product would wait for the one before it, each sum is SPLIT by ow % SPLIT. */

#ifndef OT
#define OT 4      /* filters a work-item holds */
#endif
#ifndef VT
#define VT 3      /* columns of the kernel, or channels, it holds */
#endif

#ifndef SPLIT
#define SPLIT 1   /* parts of each sum, by the geometry alone */
#endif

/* What VT weights in a row of a tile are: of neighbouring columns of the kernel, or of
   neighbouring channels if it has but one column. */
#define V_STEP (KW > 1)
#define C_STEP (KW == 1)

/* acc[o][t] += dy[o][ow] · x[ow · SW + v · DW − PL] of column ow in an input row x and an
   output row dy, for the columns v or the channels of the tile. */
INLINE column_weights(vec acc[OT][VT], IN row, IN d, const int v, const int ow,
                      const int inside) {
    int hit[VT];
    vec xv[VT];
#pragma unroll
    for (int t = 0; t < VT; t++) {
        const int iw = ow * SW + (v + t * V_STEP) * DW - PL;
        hit[t] = inside || (iw >= 0 && iw < W);
        if (hit[t]) xv[t] = row[t * C_STEP * H * W + iw];
    }
#pragma unroll
    for (int o = 0; o < OT; o++) {
        const vec dv = d[o * OH * OW + ow];
#pragma unroll
        for (int t = 0; t < VT; t++)
            if (hit[t]) acc[o][t] += dv * xv[t];
    }
}

/* The tile of weights from channel c of the group, row u and column v of the kernel on,
   summed over the shard's blocks and output rows. */
INLINE tile_weights(IN x, IN dy, NUMBERS_OUT partial, const int c, const int u,
                    const int v, const size_t block0, const size_t block1,
                    const int oh0, const int oh1) {
    vec acc[SPLIT][OT][VT];
#pragma unroll
    for (int s = 0; s < SPLIT; s++)
#pragma unroll
        for (int o = 0; o < OT; o++)
#pragma unroll
            for (int t = 0; t < VT; t++) acc[s][o][t] = ZERO;
    for (size_t block = block0; block < block1; block++)
        for (int oh = oh0; oh < oh1; oh++) {
            const int ih = oh * SH + u * DH - PT;
            if (ih < 0 || ih >= H) continue;
            IN row = x + ((block * C + c) * H + ih) * W;
            IN d = dy + (block * F * OH + oh) * OW;
#pragma unroll
            for (int ow = 0; ow < LEFT; ow++)
                column_weights(acc[ow % SPLIT], row, d, v, ow, 0);
            for (int ow = LEFT; ow < OW - RIGHT; ow += SPLIT)
#pragma unroll
                for (int s = 0; s < SPLIT; s++) {
                    const int iw = (ow + s) * SW;
                    if (LEFT + RIGHT > 0 || (iw >= LOW && iw + HIGH < W))
                        column_weights(acc[s], row, d, v, ow + s, 1);
                    else
                        column_weights(acc[s], row, d, v, ow + s, 0);
                }
#pragma unroll
            for (int ow = OW - RIGHT; ow < OW; ow++)
                column_weights(acc[ow % SPLIT], row, d, v, ow, 0);
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < VT; t++) {
            vec sum = acc[0][o][t];
#pragma unroll
            for (int s = 1; s < SPLIT; s++) sum += acc[s][o][t];
            partial[((o * CG + c + t * C_STEP) * KH + u) * KW + v + t * V_STEP] =
                lane_sum(sum);
        }
}

/* Shard s takes the blocks from s / parts · blocks_each on, and of their output rows
   those from s % parts · rows_each on; partial [shard][weights, then biases]. */
KERNEL conv_weights(IN x, IN dy, NUMBERS_OUT partial, const uint blocks,
                    const uint blocks_each, const uint parts, const uint rows_each) {
    const size_t weights = F * CG * KH * KW;
    const size_t tile = get_global_id(0) % (G * F_TILES);
    const size_t shard = get_global_id(0) / (G * F_TILES);
    const size_t group = tile / F_TILES;
    const size_t f = group * FG + min((size_t)(tile % F_TILES) * OT, (size_t)(FG - OT));
    const size_t block0 = shard / parts * blocks_each;
    const size_t block1 = min(block0 + blocks_each, (size_t)blocks);
    const int oh0 = shard % parts * rows_each;
    const int oh1 = min(oh0 + (int)rows_each, OH);
    x += group * CG * H * W;
    dy += f * OH * OW;
    partial += shard * (weights + HAS_BIAS * F);
    for (int i = 0; i < CG; i += C_STEP ? VT : 1) {
        const int c = C_STEP ? LEAST(i, CG - VT) : i;
        for (int u = 0; u < KH; u++)
#pragma unroll
            for (int v = 0; v < KW; v += VT)
                tile_weights(x, dy, partial + f * CG * KH * KW, c, u,
                             V_STEP ? LEAST(v, KW - VT) : 0, block0, block1, oh0, oh1);
    }
    if (!HAS_BIAS) return;
    for (int o = 0; o < OT; o++) {
        vec sum = ZERO;
        for (size_t block = block0; block < block1; block++)
            sum += sum_of(dy + (block * F + o) * OH * OW + oh0 * OW, (oh1 - oh0) * OW);
        partial[weights + f + o] = lane_sum(sum);
    }
}
