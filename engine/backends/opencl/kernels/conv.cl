/* Convolution: forward, and the gradient of the data. Read functions.cl, window.cl first.

   One work-item: RT output rows of OT filters of one group and one block of samples, WT
   columns at a time: OT × WT accumulators, each the sum over (c, u, v) in that order.

   The gradient of the data is a convolution, too, with the roles of channels and filters
   exchanged and the kernel TURNED, its last row and column first. A stride of the forward
   pass is a step of the results, UH × UW: row ih of the source serves row oh if

       ih · UH = oh · SH + u · DH − PT

   Columns UW apart use the same columns v of the kernel: a tile takes WT of these.

   What is written is f of the results or, with TURNED, f' by its output `of` times them. */

#ifndef OT
#define OT 4      /* filters a work-item holds */
#endif
#ifndef WT
#define WT 2      /* columns it holds; OT × WT vectors must fit the registers */
#endif
#ifndef RT
#define RT 1      /* rows that it takes one after another */
#endif

/* Rows UH apart, and columns UW apart, are compiled apart: which of the kernel they use is
   known then. But not if they are many. */
#if UH * UW <= 4
#define PHASES _Pragma("unroll")
#else
#define PHASES _Pragma("nounroll")
#endif

/* Where weights of filter f and channel c of the source stand, in a group. */
#if TURNED
#define NEXT_F (KH * KW)
#define NEXT_C (FG * KH * KW)
#define PLACE(u, v) ((KH - 1 - (u)) * KW + KW - 1 - (v))
#else
#define NEXT_F (CG * KH * KW)
#define NEXT_C (KH * KW)
#define PLACE(u, v) ((u) * KW + (v))
#endif

#if TURNED && FUNCTION != 5
#define SLOPES 1
#else
#define SLOPES 0
#endif
#define RESULT(v, place) (TURNED ? SLOPED(v, of[place]) : ACTIVATED(v))

/* The tile of OT filters and of columns ow = phase + i · UW, ow + UW, ... of row oh. `map`
   is the group's source; rest = oh % UH. With `inside` no column meets a border. */
INLINE tile_of(IN map, NUMBERS_IN w, NUMBERS_IN b, OUT y, IN of, const float slope,
               const int oh, const int rest, const int phase, const int i,
               const int inside) {
    const int ow = phase + i * UW;
    vec acc[OT][WT];
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < WT; t++) acc[o][t] = HAS_BIAS ? (vec)b[o] : ZERO;
    for (int c = 0; c < CG; c++)
#if UH > 1
        PHASES
#endif
        for (int u = 0; u < KH; u++) {
            const int a = rest * SH + u * DH - PT;
            if (a % UH) continue;
            const int ih = a / UH + oh / UH * SH;
            if (ih < 0 || ih >= H) continue;
            IN row = map + (c * H + ih) * W;
            NUMBERS_IN wc = w + c * NEXT_C;
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
                    const vec wv = (vec)wc[o * NEXT_F + PLACE(u, v)];
#pragma unroll
                    for (int t = 0; t < WT; t++)
                        if (hit[t]) acc[o][t] += wv * xv[t];
                }
            }
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < WT; t++) {
            const size_t place = (o * OH + oh) * OW + ow + t * UW;
            y[place] = RESULT(acc[o][t], place);
        }
}

/* All columns of row oh. The last tile begins earlier rather than reach beyond. */
INLINE row_of(IN map, NUMBERS_IN w, NUMBERS_IN b, OUT y, IN of, const float slope,
              const int oh, const int rest) {
    PHASES
    for (int phase = 0; phase < UW; phase++) {
        const int columns = (OW - phase + UW - 1) / UW;
        const int tiles = (columns + WT - 1) / WT;
#pragma unroll
        for (int k = 0; k < LEFT; k++)
            tile_of(map, w, b, y, of, slope, oh, rest, phase, LEAST(k * WT, columns - WT), 0);
        for (int k = LEFT; k < tiles - RIGHT; k++) {
            const int i = LEAST(k * WT, columns - WT), ow = phase + i * UW;
            if (LEFT + RIGHT > 0 ||
                (ow * SW >= LOW && (ow + (WT - 1) * UW) * SW + HIGH < W * UW))
                tile_of(map, w, b, y, of, slope, oh, rest, phase, i, 1);
            else
                tile_of(map, w, b, y, of, slope, oh, rest, phase, i, 0);
        }
#pragma unroll
        for (int k = tiles - RIGHT; k < tiles; k++)
            tile_of(map, w, b, y, of, slope, oh, rest, phase, LEAST(k * WT, columns - WT), 0);
    }
}

KERNEL conv(IN x, NUMBERS_IN w, NUMBERS_IN b, OUT y, IN of, const float slope) {
    const size_t row_tiles = (OH + RT - 1) / RT;
    size_t id = get_global_id(0);
    const size_t tile = id % (G * F_TILES);
    id /= G * F_TILES;
    const int begin = id % row_tiles * RT;
    const size_t block = id / row_tiles;
    const size_t group = tile / F_TILES;
    const size_t f = min((size_t)(tile % F_TILES) * OT, (size_t)(FG - OT));
    x += (block * C + group * CG) * H * W;
    const size_t first = (block * F + group * FG + f) * OH * OW;
    y += first;
    of += SLOPES ? first : 0;
    w += group * FG * CG * KH * KW + f * NEXT_F;
    b += HAS_BIAS ? group * FG + f : 0;
    for (int oh = begin; oh < min(begin + RT, OH); oh++)
        PHASES
        for (int rest = 0; rest < UH; rest++)
            if (oh % UH == rest) row_of(x, w, b, y, of, slope, oh, rest);
}
