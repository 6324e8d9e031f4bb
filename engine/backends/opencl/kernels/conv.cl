/* Convolution: forward, gradient of the data, gradient of the weights.

   Formulas: engine/layers/conv.py. Layouts: x (n, C, H, W), y (n, F, OH, OW) as in
   common.cl; weights [f][c of the group][u][v] in C order.

   All three hold a small tile of results in registers and walk over the sum:

       forward  one work-item: one output row of OT filters of one group and one block of
                samples, WT columns at a time: OT × WT accumulators.
       data     the same with the roles turned: OT input channels, WT input columns.
       weights  one work-item: OT filters of one shard; for each (c, u) a tile of OT × VT
                weights is summed over the shard's samples and output rows. The shards'
                sums are added in order by `conv_sum_shards`.

   The geometry (C, H, W, F, KH, KW, SH, SW, PT, PL, DH, DW, G, OH, OW) is compiled in. */

#ifndef OT
#define OT 8      /* filters (forward, weights) a work-item holds: 1 ... 8 */
#endif
#ifndef WT
#define WT 3      /* output columns it holds; OT × WT vectors must fit the registers */
#endif
#ifndef DT
#define DT 8      /* input channels (data) a work-item holds */
#endif
#ifndef DWT
#define DWT 3     /* input columns (data) it holds */
#endif
#ifndef VT
#define VT 3      /* kernel columns (weights) it holds */
#endif

#define CG (C / G)
#define FG (F / G)
#define F_TILES ((FG + OT - 1) / OT)
#define C_TILES ((CG + DT - 1) / DT)
#define WEIGHT(f, c, u, v) ((((f) * CG + (c)) * KH + (u)) * KW + (v))

/* The tile of filters f0 ... and columns ow ... of output row oh. `map` is the group's
   input. With `inside` no column of it meets the left or right border. */
static inline __attribute__((always_inline)) void
tile_forward(IN map, NUMBERS_IN w, NUMBERS_IN b, OUT y, const size_t f0, const int oh,
             const int ow, const int inside) {
    vec acc[OT][WT];
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < WT; t++) acc[o][t] = HAS_BIAS ? (vec)b[f0 + o] : ZERO;
    for (int c = 0; c < CG; c++)
        for (int u = 0; u < KH; u++) {
            const int ih = oh * SH + u * DH - PT;
            if (ih < 0 || ih >= H) continue;
            for (int v = 0; v < KW; v++) {
                vec xv[WT];
#pragma unroll
                for (int t = 0; t < WT; t++) {
                    const int iw = (ow + t) * SW + v * DW - PL;
                    const int hit = inside || (iw >= 0 && iw < W);
                    xv[t] = hit ? map[(c * H + ih) * W + iw] : ZERO;
                }
#pragma unroll
                for (int o = 0; o < OT; o++) {
                    const vec wv = (vec)w[WEIGHT(f0 + o, c, u, v)];
#pragma unroll
                    for (int t = 0; t < WT; t++) acc[o][t] += wv * xv[t];
                }
            }
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < WT; t++) y[((f0 + o) * OH + oh) * OW + ow + t] = acc[o][t];
}

KERNEL conv_forward(IN x, NUMBERS_IN w, NUMBERS_IN b, OUT y) {
    size_t id = get_global_id(0);
    const size_t tile = id % (G * F_TILES);
    id /= G * F_TILES;
    const int oh = id % OH;
    const size_t block = id / OH;
    const size_t group = tile / F_TILES;
    /* The last tile begins earlier rather than reach beyond the group. */
    const size_t f0 = group * FG + min((size_t)(tile % F_TILES) * OT, (size_t)(FG - OT));
    IN map = x + (block * C + group * CG) * H * W;
    y += block * F * OH * OW;
    for (int begin = 0; begin < OW; begin += WT) {
        const int ow = min(begin, OW - WT);
        if (ow * SW >= PL && (ow + WT - 1) * SW + (KW - 1) * DW - PL < W)
            tile_forward(map, w, b, y, f0, oh, ow, 1);
        else
            tile_forward(map, w, b, y, f0, oh, ow, 0);
    }
}

/* The tile of channels c0 ... of the group and columns iw ... of input row ih. `map` is
   the group's dy. With `inside` every column of dy that it needs is there. */
static inline __attribute__((always_inline)) void
tile_data(IN map, NUMBERS_IN w, OUT dx, const size_t c0, const int ih, const int iw,
          const int inside) {
    vec acc[DT][DWT];
#pragma unroll
    for (int o = 0; o < DT; o++)
#pragma unroll
        for (int t = 0; t < DWT; t++) acc[o][t] = ZERO;
    for (int f = 0; f < FG; f++)
        for (int u = 0; u < KH; u++) {
            const int a = ih + PT - u * DH; /* = oh · SH */
            if (a < 0 || a % SH || a / SH >= OH) continue;
            for (int v = 0; v < KW; v++) {
                vec dv[DWT];
#pragma unroll
                for (int t = 0; t < DWT; t++) {
                    const int e = iw + t + PL - v * DW; /* = ow · SW */
                    const int hit = inside || (e >= 0 && e % SW == 0 && e / SW < OW);
                    dv[t] = hit ? map[(f * OH + a / SH) * OW + e / SW] : ZERO;
                }
#pragma unroll
                for (int o = 0; o < DT; o++) {
                    const vec wv = (vec)w[WEIGHT(f, c0 + o, u, v)];
#pragma unroll
                    for (int t = 0; t < DWT; t++) acc[o][t] += wv * dv[t];
                }
            }
        }
#pragma unroll
    for (int o = 0; o < DT; o++)
#pragma unroll
        for (int t = 0; t < DWT; t++) dx[((c0 + o) * H + ih) * W + iw + t] = acc[o][t];
}

KERNEL conv_data(IN dy, NUMBERS_IN w, OUT dx) {
    size_t id = get_global_id(0);
    const size_t tile = id % (G * C_TILES);
    id /= G * C_TILES;
    const int ih = id % H;
    const size_t block = id / H;
    const size_t group = tile / C_TILES;
    const size_t c0 = min((size_t)(tile % C_TILES) * DT, (size_t)(CG - DT));
    IN map = dy + (block * F + group * FG) * OH * OW;
    dx += (block * C + group * CG) * H * W;
    w += WEIGHT(group * FG, 0, 0, 0);
    for (int begin = 0; begin < W; begin += DWT) {
        const int iw = min(begin, W - DWT);
        if (SW == 1 && iw + PL - (KW - 1) * DW >= 0 && iw + DWT - 1 + PL < OW)
            tile_data(map, w, dx, c0, ih, iw, 1);
        else
            tile_data(map, w, dx, c0, ih, iw, 0);
    }
}

/* One output row: acc[o][t] += Σ_ow dy[f0 + o][oh][ow] · row[ow SW + (v + t) DW − PL]. */
static inline __attribute__((always_inline)) void
row_weights(vec acc[OT][VT], IN row, IN d, const int v) {
    for (int ow = 0; ow < OW; ow++) {
        vec xv[VT];
#pragma unroll
        for (int t = 0; t < VT; t++) {
            const int iw = ow * SW + (v + t) * DW - PL;
            xv[t] = iw >= 0 && iw < W ? row[iw] : ZERO;
        }
#pragma unroll
        for (int o = 0; o < OT; o++) {
            const vec dv = d[o * OH * OW + ow];
#pragma unroll
            for (int t = 0; t < VT; t++) acc[o][t] += dv * xv[t];
        }
    }
}

/* Shard s takes the blocks from s / parts · blocks_each on, and of their output rows
   those from s % parts · rows_each on; partial [shard][weight]. */
KERNEL conv_weights(IN x, IN dy, NUMBERS_OUT partial, const uint blocks,
                    const uint blocks_each, const uint parts, const uint rows_each) {
    size_t id = get_global_id(0);
    const size_t tile = id % (G * F_TILES);
    const size_t shard = id / (G * F_TILES);
    const size_t group = tile / F_TILES;
    const size_t f0 = group * FG + min((size_t)(tile % F_TILES) * OT, (size_t)(FG - OT));
    const size_t block0 = shard / parts * blocks_each;
    const size_t block1 = min(block0 + blocks_each, (size_t)blocks);
    const int oh0 = shard % parts * rows_each;
    const int oh1 = min(oh0 + (int)rows_each, OH);
    partial += shard * (F * CG * KH * KW);
    for (int c = 0; c < CG; c++)
        for (int u = 0; u < KH; u++)
            for (int begin = 0; begin < KW; begin += VT) {
                const int v = min(begin, KW - VT);
                vec acc[OT][VT];
#pragma unroll
                for (int o = 0; o < OT; o++)
#pragma unroll
                    for (int t = 0; t < VT; t++) acc[o][t] = ZERO;
                for (size_t block = block0; block < block1; block++)
                    for (int oh = oh0; oh < oh1; oh++) {
                        const int ih = oh * SH + u * DH - PT;
                        if (ih < 0 || ih >= H) continue;
                        IN row = x + ((block * C + group * CG + c) * H + ih) * W;
                        IN d = dy + ((block * F + f0) * OH + oh) * OW;
                        row_weights(acc, row, d, v);
                    }
#pragma unroll
                for (int o = 0; o < OT; o++)
#pragma unroll
                    for (int t = 0; t < VT; t++)
                        partial[WEIGHT(f0 + o, c, u, v + t)] = lane_sum(acc[o][t]);
            }
}

/* dw[i] = Σ_shard partial[shard][i], in the shards' order; one work-item: 256 weights. */
KERNEL conv_sum_shards(NUMBERS_IN partial, NUMBERS_OUT dw, const uint shards) {
    const size_t weights = F * CG * KH * KW;
    const size_t begin = get_global_id(0) * 256;
    const size_t end = min(begin + 256, weights);
    for (size_t i = begin; i < end; i++) dw[i] = partial[i];
    for (size_t s = 1; s < shards; s++)
        for (size_t i = begin; i < end; i++) dw[i] += partial[s * weights + i];
}

/* db[f] = Σ over samples, rows and columns of dy; one work-item: one filter. */
KERNEL conv_bias(IN dy, NUMBERS_OUT db, const uint blocks) {
    const size_t f = get_global_id(0);
    vec sum = ZERO;
    for (size_t block = 0; block < blocks; block++)
        for (size_t i = 0; i < OH * OW; i++) sum += dy[(block * F + f) * OH * OW + i];
    db[f] = lane_sum(sum);
}
