/* Convolution: forward, gradient of the data, gradient of the weights.

   Formulas: engine/layers/conv.py. Layouts: x (n, C, H, W), y (n, F, OH, OW) as in
   common.cl; weights [f][c of the group][u][v] in C order.

   All hold a small tile of results in registers and walk over the sum. What a tile loads
   it uses several times, so that the multiply-adds, not the loads, set the pace.

   conv          y = conv(x, w) + b. One work-item: RT output rows of OT filters of one
                 group and one block of samples, WT columns at a time: OT × WT
                 accumulators, each the sum over (c, u, v) in that order.
   conv, TURNED  the gradient of the data is a convolution, too, with the roles of
                 channels and filters exchanged: the kernel walks backwards (DH, DW, PT
                 and PL below 0), and a stride of the forward pass is a step of the
                 results, UH × UW. Row ih of the source serves row oh if

                     ih · UH = oh · SH + u · DH − PT

                 Columns UW apart use the same columns v of the kernel: a tile takes
                 WT of these.
   conv_weights  one work-item: OT filters of one shard of the sum over samples and
                 output rows; for each (c, u) tiles of OT × VT weights.
                 `conv_sum_shards` adds the shards in order.

   Borders: the first LEFT and last RIGHT tiles of a row (columns, of the weights' sum)
   are compiled one by one, and their products with what lies beyond the map vanish. If
   both are 0, each tile asks whether it meets a border.

   Compiled in: C, H, W of the source, F, OH, OW of the result, KH, KW, SH, SW, UH, UW,
   DH, DW, PT, PL, G. Every sum runs in an order that no choice of a tile changes. */

#ifndef OT
#define OT 4      /* filters a work-item holds */
#endif
#ifndef WT
#define WT 3      /* columns it holds; OT × WT vectors must fit the registers */
#endif
#ifndef RT
#define RT 1      /* rows that it takes one after another */
#endif
#ifndef LEFT
#define LEFT 0    /* tiles at the left border whose columns are compiled in */
#endif
#ifndef RIGHT
#define RIGHT 0   /* and at the right border */
#endif
#ifndef VT
#define VT 3      /* columns of the kernel (weights) it holds */
#endif

#define CG (C / G)
#define FG (F / G)
#define F_TILES ((FG + OT - 1) / OT)
/* Unlike min(), known to the compiler before it unrolls loops. */
#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define INLINE static inline __attribute__((always_inline)) void

/* Where weights of filter f and channel c of the source stand, in a group. */
#if TURNED
#define NEXT_F (KH * KW)
#define NEXT_C (FG * KH * KW)
#else
#define NEXT_F (CG * KH * KW)
#define NEXT_C (KH * KW)
#endif

/* How far a window reaches to the left and right of column ow · SW of the source. */
#define REACH ((KW - 1) * DW)
#define LOW (PL - LEAST(REACH, 0))
#define HIGH (-LEAST(-REACH, 0) - PL)

/* The tile of OT filters and of columns ow = phase + i · UW, ow + UW, ... of row oh. `map`
   is the group's source. With `inside` no column of it meets a border. */
INLINE tile_of(IN map, NUMBERS_IN w, NUMBERS_IN b, OUT y, const int oh, const int phase,
               const int i, const int inside) {
    const int ow = phase + i * UW;
    vec acc[OT][WT];
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < WT; t++) acc[o][t] = HAS_BIAS ? (vec)b[o] : ZERO;
    for (int c = 0; c < CG; c++)
        for (int u = 0; u < KH; u++) {
            const int a = oh * SH + u * DH - PT; /* = ih · UH */
            if (a < 0 || a % UH || a / UH >= H) continue;
            IN row = map + (c * H + a / UH) * W;
            NUMBERS_IN wr = w + c * NEXT_C + u * KW;
#pragma unroll
            for (int v = 0; v < KW; v++) {
                const int e = phase * SW + v * DW - PL;
                if (e % UW) continue;
                const int first = e / UW + i * SW;
                int hit[WT];
                vec xv[WT];
#pragma unroll
                for (int t = 0; t < WT; t++) {
                    const int iw = first + t * SW;
                    hit[t] = inside || (iw >= 0 && iw < W);
                    if (hit[t]) xv[t] = row[iw];
                }
#pragma unroll
                for (int o = 0; o < OT; o++) {
                    const vec wv = (vec)wr[o * NEXT_F + v];
#pragma unroll
                    for (int t = 0; t < WT; t++)
                        if (hit[t]) acc[o][t] += wv * xv[t];
                }
            }
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < WT; t++) y[(o * OH + oh) * OW + ow + t * UW] = acc[o][t];
}

/* All columns of row oh. The last tile begins earlier rather than reach beyond. */
INLINE row_of(IN map, NUMBERS_IN w, NUMBERS_IN b, OUT y, const int oh) {
#pragma unroll
    for (int phase = 0; phase < UW; phase++) {
        const int columns = (OW - phase + UW - 1) / UW;
        const int tiles = (columns + WT - 1) / WT;
#pragma unroll
        for (int k = 0; k < LEFT; k++)
            tile_of(map, w, b, y, oh, phase, LEAST(k * WT, columns - WT), 0);
        for (int k = LEFT; k < tiles - RIGHT; k++) {
            const int i = LEAST(k * WT, columns - WT), ow = phase + i * UW;
            if (LEFT + RIGHT > 0 ||
                (ow * SW >= LOW && (ow + (WT - 1) * UW) * SW + HIGH < W * UW))
                tile_of(map, w, b, y, oh, phase, i, 1);
            else
                tile_of(map, w, b, y, oh, phase, i, 0);
        }
#pragma unroll
        for (int k = tiles - RIGHT; k < tiles; k++)
            tile_of(map, w, b, y, oh, phase, LEAST(k * WT, columns - WT), 0);
    }
}

KERNEL conv(IN x, NUMBERS_IN w, NUMBERS_IN b, OUT y) {
    const size_t row_tiles = (OH + RT - 1) / RT;
    size_t id = get_global_id(0);
    const size_t tile = id % (G * F_TILES);
    id /= G * F_TILES;
    const int begin = id % row_tiles * RT;
    const size_t block = id / row_tiles;
    const size_t group = tile / F_TILES;
    const size_t f = min((size_t)(tile % F_TILES) * OT, (size_t)(FG - OT));
    x += (block * C + group * CG) * H * W;
    y += (block * F + group * FG + f) * OH * OW;
    w += group * FG * CG * KH * KW + f * NEXT_F;
    b += HAS_BIAS ? group * FG + f : 0;
    for (int oh = begin; oh < min(begin + RT, OH); oh++) row_of(x, w, b, y, oh);
}

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
    vec acc[OT][VT];
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < VT; t++) acc[o][t] = ZERO;
    for (size_t block = block0; block < block1; block++)
        for (int oh = oh0; oh < oh1; oh++) {
            const int ih = oh * SH + u * DH - PT;
            if (ih < 0 || ih >= H) continue;
            IN row = x + ((block * C + c) * H + ih) * W;
            IN d = dy + (block * F * OH + oh) * OW;
#pragma unroll
            for (int ow = 0; ow < LEFT; ow++) column_weights(acc, row, d, v, ow, 0);
            for (int ow = LEFT; ow < OW - RIGHT; ow++) {
                if (LEFT + RIGHT > 0 || (ow * SW >= LOW && ow * SW + HIGH < W))
                    column_weights(acc, row, d, v, ow, 1);
                else
                    column_weights(acc, row, d, v, ow, 0);
            }
#pragma unroll
            for (int ow = OW - RIGHT; ow < OW; ow++)
                column_weights(acc, row, d, v, ow, 0);
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < VT; t++)
            partial[((o * CG + c + t * C_STEP) * KH + u) * KW + v + t * V_STEP] =
                lane_sum(acc[o][t]);
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
    vec sum[OT];
#pragma unroll
    for (int o = 0; o < OT; o++) sum[o] = ZERO;
    for (size_t block = block0; block < block1; block++)
        for (int i = oh0 * OW; i < oh1 * OW; i++)
#pragma unroll
            for (int o = 0; o < OT; o++) sum[o] += dy[(block * F + o) * OH * OW + i];
#pragma unroll
    for (int o = 0; o < OT; o++) partial[weights + f + o] = lane_sum(sum[o]);
}

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
        for (size_t i = 0; i < OH * OW; i++) sum += dy[(block * F + f) * OH * OW + i];
    db[f] = lane_sum(sum);
}
