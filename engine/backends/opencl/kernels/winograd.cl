/* 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): 36 products for 16 results
   where the plain sum takes 144.

   A 6×6 tile d of the input and a filter g give a 4×4 tile of the output,

       Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A,

   and because ⊙ works element by element, the sum over the channels may be taken before
   A: for each of the 36 elements k a small matrix product M_k = U_k V_k with
   U_k (filters × channels) of all G g Gᵀ and V_k (channels × tiles) of all Bᵀ d B.
   The gradient of the data is the same with turned filters and swapped roles. That of
   the filters goes the way back: dg = Gᵀ [ Σ (A dY Aᵀ) ⊙ (Bᵀ d B) ] G.

   Source: A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks",
   CVPR 2016, with the points 0, ±1, ±2, ∞.

   Here x (n, C, H, W) is convolved to y (n, F, OH, OW) with PT, PL zeros above and left;
   tiles lie at rows 4 i and columns 4 j of y, and what reaches beyond the map is 0 (read)
   or left out (written). V and M lie in __local memory, a few tiles at a time. */

#define TILES ((OW + 3) / 4)     /* in a row of tiles */
#define TILE_ROWS ((OH + 3) / 4)
#define F_TILES ((F + OT - 1) / OT)
/* From one element k to the next in V and in M: no power of two, or the 36 elements of a
   tile would fall upon the same few places of the cache. */
#define V_STEP (C * TT + 2)
#define M_STEP (F * TT + 2)

/* Bᵀ applied to six vectors. */
#define INPUT(e, d0, d1, d2, d3, d4, d5)                                                  \
    e[0] = 4.0f * d0 - 5.0f * d2 + d4;                                                    \
    e[1] = d4 + d3 - 4.0f * (d2 + d1);                                                    \
    e[2] = d4 - d3 - 4.0f * (d2 - d1);                                                    \
    e[3] = d4 - d2 + 2.0f * (d3 - d1);                                                    \
    e[4] = d4 - d2 - 2.0f * (d3 - d1);                                                    \
    e[5] = 4.0f * d1 - 5.0f * d3 + d5;

/* Aᵀ applied to six vectors. */
#define OUTPUT(e, m0, m1, m2, m3, m4, m5)                                                 \
    {                                                                                     \
        const vec sum1 = m1 + m2, gap1 = m1 - m2, sum2 = m3 + m4, gap2 = m3 - m4;         \
        e[0] = m0 + sum1 + sum2;                                                          \
        e[1] = gap1 + 2.0f * gap2;                                                        \
        e[2] = sum1 + 4.0f * sum2;                                                        \
        e[3] = gap1 + 8.0f * gap2 + m5;                                                   \
    }

/* G applied to three numbers. */
static inline void filter_points(float e[6], const float a, const float b, const float c) {
    e[0] = 0.25f * a;
    e[1] = (-1.0f / 6.0f) * (a + b + c);
    e[2] = (-1.0f / 6.0f) * (a - b + c);
    e[3] = (1.0f / 24.0f) * a + (1.0f / 12.0f) * b + (1.0f / 6.0f) * c;
    e[4] = (1.0f / 24.0f) * a - (1.0f / 12.0f) * b + (1.0f / 6.0f) * c;
    e[5] = c;
}

/* u [k][tile of OT filters][channel][filter of the tile]; one work-item: one filter tile.
   With TURNED w is (C, F, 3, 3) and each filter is turned by 180°. */
KERNEL winograd_filters(NUMBERS_IN w, NUMBERS_OUT u) {
    const size_t tile = get_global_id(0);
    const size_t f0 = min(tile * OT, (size_t)(F - OT));
    for (size_t c = 0; c < C; c++)
        for (size_t o = 0; o < OT; o++) {
            NUMBERS_IN g = w + (TURNED ? c * F + f0 + o : (f0 + o) * C + c) * 9;
            float h[3][6], e[6];
            for (int j = 0; j < 3; j++)
                if (TURNED)
                    filter_points(h[j], g[8 - j], g[5 - j], g[2 - j]);
                else
                    filter_points(h[j], g[j], g[3 + j], g[6 + j]);
            for (int r = 0; r < 6; r++) {
                filter_points(e, h[0][r], h[1][r], h[2][r]);
                for (int s = 0; s < 6; s++)
                    u[(((r * 6 + s) * F_TILES + tile) * C + c) * OT + o] = e[s];
            }
        }
}

/* v[k · STRIDE] = element k of Bᵀ d B for the tile of `map` (H × W) at row ih, column iw. */
static inline __attribute__((always_inline)) void
input_tile(IN map, const int ih, const int iw, __local vec *v, const size_t stride) {
    const int inside = ih >= 0 && ih + 6 <= H && iw >= 0 && iw + 6 <= W;
    vec e[6][6];
#pragma unroll
    for (int j = 0; j < 6; j++) {
        vec d[6], column[6];
#pragma unroll
        for (int i = 0; i < 6; i++) {
            const int hit =
                inside || (ih + i >= 0 && ih + i < H && iw + j >= 0 && iw + j < W);
            d[i] = hit ? map[(ih + i) * W + iw + j] : ZERO;
        }
        INPUT(column, d[0], d[1], d[2], d[3], d[4], d[5])
#pragma unroll
        for (int r = 0; r < 6; r++) e[r][j] = column[r];
    }
#pragma unroll
    for (int r = 0; r < 6; r++) {
        vec row[6];
        INPUT(row, e[r][0], e[r][1], e[r][2], e[r][3], e[r][4], e[r][5])
#pragma unroll
        for (int s = 0; s < 6; s++) v[(r * 6 + s) * stride] = row[s];
    }
}

/* The tile of y at row oh, column ow: Aᵀ M A + bias, M's element k at m[k · stride]. */
static inline __attribute__((always_inline)) void
output_tile(__local const vec *m, const size_t stride, const float bias, OUT map,
            const int oh, const int ow) {
    vec e[4][6];
#pragma unroll
    for (int s = 0; s < 6; s++) {
        vec column[4];
        OUTPUT(column, m[s * stride], m[(6 + s) * stride], m[(12 + s) * stride],
               m[(18 + s) * stride], m[(24 + s) * stride], m[(30 + s) * stride])
#pragma unroll
        for (int i = 0; i < 4; i++) e[i][s] = column[i];
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        vec row[4];
        OUTPUT(row, e[i][0], e[i][1], e[i][2], e[i][3], e[i][4], e[i][5])
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (oh + i < OH && ow + j < OW) map[(oh + i) * OW + ow + j] = row[j] + bias;
    }
}

/* m[o][t] = Σ_c u[c][o] v[c][t] for OT filters and TT tiles. */
static inline __attribute__((always_inline)) void
product(NUMBERS_IN u, __local const vec *v, __local vec *m) {
    vec acc[OT][TT];
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < TT; t++) acc[o][t] = ZERO;
    for (size_t c = 0; c < C; c++)
#pragma unroll
        for (int o = 0; o < OT; o++) {
            const vec w = (vec)u[c * OT + o];
#pragma unroll
            for (int t = 0; t < TT; t++) acc[o][t] += w * v[c * TT + t];
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int t = 0; t < TT; t++) m[o * TT + t] = acc[o][t];
}

/* One work-item: one row of tiles of a block of samples. */
KERNEL winograd_forward(IN x, NUMBERS_IN u, NUMBERS_IN b, OUT y) {
    __local vec v[36 * V_STEP];
    __local vec m[36 * M_STEP];
    const size_t id = get_global_id(0);
    const int row = id % TILE_ROWS;
    const size_t block = id / TILE_ROWS;
    x += block * C * H * W;
    y += block * F * OH * OW;
    for (int begin = 0; begin < TILES; begin += TT) {
        const int first = min(begin, TILES - TT);
        for (size_t c = 0; c < C; c++)
            for (int t = 0; t < TT; t++)
                input_tile(x + c * H * W, 4 * row - PT, 4 * (first + t) - PL,
                           v + c * TT + t, V_STEP);
        for (size_t k = 0; k < 36; k++)
            for (size_t tile = 0; tile < F_TILES; tile++) {
                const size_t f0 = min(tile * OT, (size_t)(F - OT));
                product(u + (k * F_TILES + tile) * C * OT, v + k * V_STEP,
                        m + k * M_STEP + f0 * TT);
            }
        for (size_t f = 0; f < F; f++)
            for (int t = 0; t < TT; t++)
                output_tile(m + f * TT + t, M_STEP, HAS_BIAS ? b[f] : 0.0f,
                            y + f * OH * OW, 4 * row, 4 * (first + t));
    }
}

/* --- the gradient of the filters -------------------------------------------------------

   Element k = (r, s) of the sum over tiles and samples is kept for each pair of filter
   and channel, so one work-item takes one r, FB filters, CB channels and one shard of
   the samples and tile rows: what it sums into, 6 · FB · CB vectors, stays in the cache.
   OT × CT sums are held in registers over TC tiles of a row. */

#ifndef FB
#define FB OT
#define CB 1
#define CT 1
#define TC 1
#endif

__constant float input_rows[6][6] = {
    {4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
    {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}}; /* Bᵀ */
__constant float output_rows[6][4] = {{1, 0, 0, 0}, {1, 1, 1, 1}, {1, -1, 1, -1},
                                      {1, 2, 4, 8}, {1, -2, 4, -8}, {0, 0, 0, 1}}; /* A */

/* v[s · step] = element (r, s) of Bᵀ d B. */
static inline __attribute__((always_inline)) void
input_row(IN map, const int r, const int ih, const int iw, __local vec *v,
          const size_t step) {
    vec e[6], row[6];
#pragma unroll
    for (int j = 0; j < 6; j++) e[j] = ZERO;
    for (int i = 0; i < 6; i++) {
        const float factor = input_rows[r][i];
        if (factor == 0.0f || ih + i < 0 || ih + i >= H) continue;
        IN line = map + (ih + i) * W + iw;
        if (iw >= 0 && iw + 6 <= W)
#pragma unroll
            for (int j = 0; j < 6; j++) e[j] += factor * line[j];
        else
#pragma unroll
            for (int j = 0; j < 6; j++)
                if (iw + j >= 0 && iw + j < W) e[j] += factor * line[j];
    }
    INPUT(row, e[0], e[1], e[2], e[3], e[4], e[5])
#pragma unroll
    for (int s = 0; s < 6; s++) v[s * step] = row[s];
}

/* m[s · step] = element (r, s) of A dY Aᵀ. */
static inline __attribute__((always_inline)) void
output_row(IN map, const int r, const int oh, const int ow, __local vec *m,
           const size_t step) {
    vec e[4];
#pragma unroll
    for (int j = 0; j < 4; j++) e[j] = ZERO;
    for (int i = 0; i < 4 && oh + i < OH; i++) {
        const float factor = output_rows[r][i];
        if (factor == 0.0f) continue;
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (ow + j < OW) e[j] += factor * map[(oh + i) * OW + ow + j];
    }
    const vec even = e[0] + e[2], odd = e[1] + e[3];
    const vec even2 = e[0] + 4.0f * e[2], odd2 = 2.0f * e[1] + 8.0f * e[3];
    m[0] = e[0];
    m[step] = even + odd;
    m[2 * step] = even - odd;
    m[3 * step] = even2 + odd2;
    m[4 * step] = even2 - odd2;
    m[5 * step] = e[3];
}

/* total[o][c] += Σ_t m[o][t] v[c][t] over `count` tiles. */
static inline __attribute__((always_inline)) void
outer_product(__local const vec *m, __local const vec *v, __local vec *total,
              const int count) {
    vec acc[OT][CT];
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int c = 0; c < CT; c++) acc[o][c] = total[o * CB + c];
    for (int t = 0; t < count; t++)
#pragma unroll
        for (int o = 0; o < OT; o++) {
            const vec d = m[o * TC + t];
#pragma unroll
            for (int c = 0; c < CT; c++) acc[o][c] += d * v[c * TC + t];
        }
#pragma unroll
    for (int o = 0; o < OT; o++)
#pragma unroll
        for (int c = 0; c < CT; c++) total[o * CB + c] = acc[o][c];
}

/* v[i] = the sum of the lanes of v[i], in a fixed tree, for as many i as there are lanes:
   afterwards lane i of v[0]. */
static inline __attribute__((always_inline)) vec lane_sums(vec v[LANES]) {
#pragma unroll
    for (int n = LANES / 2; n > 0; n /= 2)
#pragma unroll
        for (int i = 0; i < n; i++)
            v[i] = (vec)(v[2 * i].even + v[2 * i].odd, v[2 * i + 1].even + v[2 * i + 1].odd);
    return v[0];
}

/* Shard s takes the tiles from s · each on, of all `blocks` · TILE_ROWS · TILES; partial
   [shard][k][f][c]. */
KERNEL winograd_weights(IN x, IN dy, NUMBERS_OUT partial, const uint blocks,
                        const uint each) {
    __local vec v[6 * (CB * TC + 2)];
    __local vec m[6 * (FB * TC + 2)];
    __local vec total[6 * FB * CB];
    size_t id = get_global_id(0);
    const int r = id % 6;
    id /= 6;
    const size_t c0 = id % (C / CB) * CB;
    id /= C / CB;
    const size_t f0 = id % (F / FB) * FB;
    const size_t shard = id / (F / FB);
    const size_t last = min((shard + 1) * each, (size_t)blocks * TILE_ROWS * TILES);
    for (size_t i = 0; i < 6 * FB * CB; i++) total[i] = ZERO;
    for (size_t first = shard * each; first < last; first += TC) {
        const int count = min((size_t)TC, last - first);
        for (int t = 0; t < count; t++) {
            const size_t tile = first + t;
            const size_t block = tile / (TILE_ROWS * TILES);
            const int oh = 4 * (tile / TILES % TILE_ROWS), ow = 4 * (tile % TILES);
            for (size_t c = 0; c < CB; c++)
                input_row(x + (block * C + c0 + c) * H * W, r, oh - PT, ow - PL,
                          v + c * TC + t, CB * TC + 2);
            for (size_t f = 0; f < FB; f++)
                output_row(dy + (block * F + f0 + f) * OH * OW, r, oh, ow,
                           m + f * TC + t, FB * TC + 2);
        }
        for (size_t s = 0; s < 6; s++)
            for (size_t f = 0; f < FB; f += OT)
                for (size_t c = 0; c < CB; c += CT)
                    outer_product(m + s * (FB * TC + 2) + f * TC,
                                  v + s * (CB * TC + 2) + c * TC,
                                  total + (s * FB + f) * CB + c, count);
    }
    for (size_t s = 0; s < 6; s++)
        for (size_t f = 0; f < FB; f++) {
            NUMBERS_OUT out = partial + ((shard * 36 + r * 6 + s) * F + f0 + f) * C + c0;
            __local const vec *sums = total + (s * FB + f) * CB;
            size_t c = 0;
            for (; c + LANES <= CB; c += LANES) {
                vec some[LANES];
#pragma unroll
                for (int i = 0; i < LANES; i++) some[i] = sums[c + i];
                JOIN(vstore, LANES)(lane_sums(some), 0, out + c);
            }
            for (; c < CB; c++) out[c] = lane_sum(sums[c]);
        }
}

/* Gᵀ applied to six numbers. */
static inline void filter_sums(float g[3], const float e[6]) {
    const float near = e[1] + e[2], far = e[3] + e[4];
    g[0] = 0.25f * e[0] - near * (1.0f / 6.0f) + far * (1.0f / 24.0f);
    g[1] = (e[2] - e[1]) * (1.0f / 6.0f) + (e[3] - e[4]) * (1.0f / 12.0f);
    g[2] = (far - near) * (1.0f / 6.0f) + e[5];
}

/* dw = Gᵀ (Σ_shard partial) G, the shards in order; one work-item: one filter. */
KERNEL winograd_weights_end(NUMBERS_IN partial, NUMBERS_OUT dw, const uint shards) {
    const size_t f = get_global_id(0);
    for (size_t c = 0; c < C; c++) {
        float sum[6][6], h[6][3], g[3];
        for (int k = 0; k < 36; k++) {
            float total = 0.0f;
            for (size_t shard = 0; shard < shards; shard++)
                total += partial[((shard * 36 + k) * F + f) * C + c];
            sum[k / 6][k % 6] = total;
        }
        for (int r = 0; r < 6; r++) filter_sums(h[r], sum[r]);
        for (int j = 0; j < 3; j++) {
            const float column[6] = {h[0][j], h[1][j], h[2][j],
                                     h[3][j], h[4][j], h[5][j]};
            filter_sums(g, column);
            for (int i = 0; i < 3; i++) dw[(f * C + c) * 9 + i * 3 + j] = g[i];
        }
    }
}
