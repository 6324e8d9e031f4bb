/* The gradient of the filters by Winograd's products; winograd.cl comes before it.

   For each element k the sum over tiles and samples is a product, too: of the filters'
   A dY Aᵀ (FB × samples) and the channels' Bᵀ d B (samples × CB). Here the samples are
   what is summed over, so a vector holds channels: tiles of the input are turned, LANES
   channels at a time. One work-item takes FB filters, CB channels and one shard of the
   tiles, TC tiles at a time; OT × CT vectors of sums are held in registers. */

#ifndef FB
#define FB OT
#define CB LANES
#define CT 1
#define TC 1
#endif
#define CV (CB / LANES)
#define D_STEP (FB * TC + 2)
#define T_STEP (TC * LANES * CV + 2)
#define SUM_STEP (F * C + GAP) /* in numbers of the shards' sums */

/* m[k · step] = element k of A dY Aᵀ for the tile of `map` (OH × OW) at row oh, column ow. */
static inline __attribute__((always_inline)) void
gradient_tile(IN map, const int oh, const int ow, __local vec *m, const size_t step) {
    vec e[6][4];
#pragma unroll
    for (int j = 0; j < 4; j++) {
        vec d[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
            d[i] = ON_MAP(oh + i, ow + j) ? map[(oh + i) * OW + ow + j] : ZERO;
        const vec even = d[0] + d[2], odd = d[1] + d[3];
        const vec even2 = d[0] + 4.0f * d[2], odd2 = 2.0f * d[1] + 8.0f * d[3];
        e[0][j] = d[0];
        e[1][j] = even + odd;
        e[2][j] = even - odd;
        e[3][j] = even2 + odd2;
        e[4][j] = even2 - odd2;
        e[5][j] = d[3];
    }
#pragma unroll
    for (int r = 0; r < 6; r++) {
        const vec even = e[r][0] + e[r][2], odd = e[r][1] + e[r][3];
        const vec even2 = e[r][0] + 4.0f * e[r][2], odd2 = 2.0f * e[r][1] + 8.0f * e[r][3];
        m[(r * 6) * step] = e[r][0];
        m[(r * 6 + 1) * step] = even + odd;
        m[(r * 6 + 2) * step] = even - odd;
        m[(r * 6 + 3) * step] = even2 + odd2;
        m[(r * 6 + 4) * step] = even2 - odd2;
        m[(r * 6 + 5) * step] = e[r][3];
    }
}

/* to[i · step] = lane i of all LANES vectors of `from`. */
static inline __attribute__((always_inline)) void
turn(__local const vec *from, __local vec *to, const size_t step) {
    vec a[LANES];
#pragma unroll
    for (int i = 0; i < LANES; i++) a[i] = from[i];
    transpose(a);
#pragma unroll
    for (int i = 0; i < LANES; i++) to[i * step] = a[i];
}

/* total[o][c] += Σ_q m[o][q] v[q][c] for OT filters, CT vectors of channels, `count`
   samples. */
static inline __attribute__((always_inline)) void
sample_product(__local const float *m, __local const vec *v, __local vec *total,
               const int count) {
    vec acc[OT][CT];
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int c = 0; c < CT; c++) acc[o][c] = total[o * CV + c];
    for (int q = 0; q < count; q++)
#pragma unroll
        for (int o = 0; o < OT; o++) {
            const vec d = (vec)m[o * TC * LANES + q];
#pragma unroll
            for (int c = 0; c < CT; c++) acc[o][c] += d * v[q * CV + c];
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int c = 0; c < CT; c++) total[o * CV + c] = acc[o][c];
}

/* Shard s takes the tiles from s · each on, of all `blocks` · TILE_ROWS · TILES; partial
   [shard][k][f][c]. */
KERNEL winograd_weights(IN x, IN dy, NUMBERS_OUT partial, const uint blocks,
                        const uint each) {
    __local vec some[36 * (LANES + 1)]; /* LANES channels of one tile, to be turned */
    __local vec v[36 * T_STEP];
    __local vec m[36 * D_STEP];
    __local vec total[36 * FB * CV];
    size_t id = get_global_id(0);
    const size_t c0 = id % (C / CB) * CB;
    id /= C / CB;
    const size_t f0 = id % (F / FB) * FB;
    const size_t shard = id / (F / FB);
    const size_t last = min((shard + 1) * each, (size_t)blocks * TILE_ROWS * TILES);
    for (size_t i = 0; i < 36 * FB * CV; i++) total[i] = ZERO;
    for (size_t first = shard * each; first < last; first += TC) {
        const int count = min((size_t)TC, last - first);
        for (int t = 0; t < count; t++) {
            const size_t tile = first + t;
            const size_t block = tile / (TILE_ROWS * TILES);
            const int oh = 4 * (tile / TILES % TILE_ROWS), ow = 4 * (tile % TILES);
            const int ih = oh - PT, iw = ow - PL;
            const int inside = ih >= 0 && ih + 6 <= H && iw >= 0 && iw + 6 <= W;
            for (size_t c = 0; c < CB; c += LANES) {
                __global const vec *map = x + (block * C + c0 + c) * H * W;
                for (size_t i = 0; i < LANES; i++, map += H * W) {
                    fetch(map, W, ih, ow + 4 * TC, 6);
                    if (inside)
                        input_tile(map, ih, iw, some + i, LANES + 1, 1);
                    else
                        input_tile(map, ih, iw, some + i, LANES + 1, 0);
                }
                for (size_t k = 0; k < 36; k++)
                    turn(some + k * (LANES + 1), v + k * T_STEP + t * LANES * CV + c / LANES,
                         CV);
            }
            for (size_t f = 0; f < FB; f++) {
                IN map = dy + (block * F + f0 + f) * OH * OW;
                fetch(map, OW, oh, ow + 4 * TC, 4);
                gradient_tile(map, oh, ow, m + f * TC + t, D_STEP);
            }
        }
        for (size_t k = 0; k < 36; k++)
            for (size_t f = 0; f < FB; f += OT)
                for (size_t c = 0; c < CV; c += CT)
                    sample_product((__local const float *)(m + k * D_STEP + f * TC),
                                   v + k * T_STEP + c, total + (k * FB + f) * CV + c,
                                   count * LANES);
    }
    for (size_t k = 0; k < 36; k++)
        for (size_t f = 0; f < FB; f++)
            for (size_t c = 0; c < CV; c++)
                store_first(total[(k * FB + f) * CV + c],
                            partial + (shard * 36 + k) * SUM_STEP + (f0 + f) * C + c0 +
                                c * LANES,
                            LANES);
}

/* Gᵀ applied to six vectors. */
#define FILTER_SUMS(g, e0, e1, e2, e3, e4, e5)                                            \
    {                                                                                     \
        const vec near = e1 + e2, far = e3 + e4;                                          \
        g[0] = 0.25f * e0 - near * (1.0f / 6.0f) + far * (1.0f / 24.0f);                  \
        g[1] = (e2 - e1) * (1.0f / 6.0f) + (e3 - e4) * (1.0f / 12.0f);                    \
        g[2] = (far - near) * (1.0f / 6.0f) + e5;                                         \
    }

/* dw = Gᵀ (Σ_shard partial) G, the shards in order; one work-item: LANES channels of one
   filter. */
KERNEL winograd_weights_end(IN partial, NUMBERS_OUT dw, const uint shards) {
    const size_t at = get_global_id(0); /* f · C / LANES + c / LANES */
    vec h[6][3], row[3];
#pragma unroll
    for (int s = 0; s < 6; s++) {
        vec e[6];
#pragma unroll
        for (int r = 0; r < 6; r++) {
            e[r] = ZERO;
            for (size_t shard = 0; shard < shards; shard++)
                e[r] += partial[(shard * 36 + r * 6 + s) * (SUM_STEP / LANES) + at];
        }
        FILTER_SUMS(row, e[0], e[1], e[2], e[3], e[4], e[5])
#pragma unroll
        for (int i = 0; i < 3; i++) h[s][i] = row[i];
    }
    for (int i = 0; i < 3; i++) {
        FILTER_SUMS(row, h[0][i], h[1][i], h[2][i], h[3][i], h[4][i], h[5][i])
        for (int j = 0; j < 3; j++)
            for (int l = 0; l < LANES; l++)
                dw[(at * LANES + l) * 9 + i * 3 + j] = ((const float *)&row[j])[l];
    }
}
