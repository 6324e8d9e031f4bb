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
   or left out (written). V and M lie in __local memory, TB tiles at a time.

   Maps are read a few columns of a few rows at a time, which no processor foresees: so
   each tile's place on the map that comes next is asked for (`fetch`) long before. */

#define TILES ((OW + 3) / 4)     /* in a row of tiles */
#define TILE_ROWS ((OH + 3) / 4)
#define F_TILES ((F + OT - 1) / OT)
/* The last tile of filters begins earlier rather than reach beyond them. */
#define TILE_BEGIN(tile) ((tile) * OT < F - OT ? (tile) * OT : F - OT)
/* From one element k to the next in V and in M: no power of two, or the 36 elements of a
   tile would fall upon the same few places of the cache. */
#define V_STEP (C * TB + 2)
#define M_STEP (F * TB + 2)

/* Whether the results are multiplied by f'. */
#if TURNED && FUNCTION != 5
#define SLOPES 1
#else
#define SLOPES 0
#endif

#ifndef STREAMED
#define STREAMED 0 /* whether y is so large that it is stored past the caches */
#endif

/* Whether a place of a tile lies on y; known beforehand where tiles fit the map. */
#define ON_MAP(i, j) (((OH % 4 == 0) | ((i) < OH)) & ((OW % 4 == 0) | ((j) < OW)))

/* Ask for 4 columns of `rows` rows of a map, from row i and column j on. It is a hint:
   whether they lie on the map, or in memory at all, does not matter. */
static inline __attribute__((always_inline)) void
fetch(IN map, const int width, const int i, const int j, const int rows) {
#ifdef PREFETCH
#pragma unroll
    for (int r = 0; r < rows; r++)
#pragma unroll
        for (int s = 0; s < 4; s += LINE) PREFETCH(map + (i + r) * width + j + s);
#endif
}

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

/* G applied to three vectors. */
#define FILTER(e, a, b, c)                                                                \
    {                                                                                     \
        const vec sixth = (1.0f / 6.0f) * c;                                              \
        e[0] = 0.25f * a;                                                                 \
        e[1] = (-1.0f / 6.0f) * (a + b + c);                                              \
        e[2] = (-1.0f / 6.0f) * (a - b + c);                                              \
        e[3] = (1.0f / 24.0f) * a + (1.0f / 12.0f) * b + sixth;                           \
        e[4] = (1.0f / 24.0f) * a - (1.0f / 12.0f) * b + sixth;                           \
        e[5] = c;                                                                         \
    }

/* u [k][tile of OT filters][channel][filter of the tile], LANES of the last two together;
   one work-item: one filter tile. With TURNED w is (C, F, 3, 3) and each filter is turned
   by 180°. */
KERNEL winograd_filters(NUMBERS_IN w, NUMBERS_OUT u) {
    const size_t tile = get_global_id(0);
    const size_t f0 = TILE_BEGIN(tile);
    for (size_t begin = 0; begin < C * OT; begin += LANES) {
        const size_t first = begin < C * OT - LANES ? begin : C * OT - LANES;
        float g[9][LANES];
        for (size_t i = 0; i < LANES; i++) {
            const size_t c = (first + i) / OT, f = f0 + (first + i) % OT;
            NUMBERS_IN from = w + (TURNED ? c * F + f : f * C + c) * 9;
            for (int j = 0; j < 9; j++) g[j][i] = from[TURNED ? 8 - j : j];
        }
        vec d[9], h[3][6], e[6];
#pragma unroll
        for (int j = 0; j < 9; j++) d[j] = JOIN(vload, LANES)(0, g[j]);
#pragma unroll
        for (int j = 0; j < 3; j++) FILTER(h[j], d[j], d[3 + j], d[6 + j])
#pragma unroll
        for (int r = 0; r < 6; r++) {
            FILTER(e, h[0][r], h[1][r], h[2][r])
#pragma unroll
            for (int s = 0; s < 6; s++)
                JOIN(vstore, LANES)
            (e[s], 0, u + ((r * 6 + s) * F_TILES + tile) * C * OT + first);
        }
    }
}

/* v[k · step] = element k of Bᵀ d B for the tile of `map` (H × W) at row ih, column iw;
   with `inside` it lies wholly on the map. */
static inline __attribute__((always_inline)) void
input_tile(IN map, const int ih, const int iw, __local vec *v, const size_t step,
           const int inside) {
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
        for (int s = 0; s < 6; s++) v[(r * 6 + s) * step] = row[s];
    }
}

/* The tile of y at row oh, column ow: f(Aᵀ M A + bias), M's element k at m[k · stride]; with
   TURNED f' by its output `of` times that, and with ADD it is added to what is there. */
#define RESULT(v, place) (TURNED ? SLOPED(v, of[place]) : ACTIVATED(v))
static inline __attribute__((always_inline)) void
output_tile(__local const vec *m, const size_t stride, const float bias, OUT map, IN of,
            const float slope, const int oh, const int ow) {
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
            if (ON_MAP(oh + i, ow + j)) {
                const size_t at = (oh + i) * OW + ow + j;
                const vec z = row[j] + bias;
                if (ADD) map[at] += z;
                else if (STREAMED) STREAM(map + at, RESULT(z, at));
                else map[at] = RESULT(z, at);
            }
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

/* One work-item: one row of tiles of a block of samples, TB tiles at a time. */
KERNEL winograd_forward(IN x, NUMBERS_IN u, NUMBERS_IN b, OUT y, IN of,
                        const float slope) {
    __local vec v[36 * V_STEP];
    __local vec m[36 * M_STEP];
    const size_t id = get_global_id(0);
    const int row = id % TILE_ROWS;
    const size_t block = id / TILE_ROWS;
    x += block * C * H * W;
    y += block * F * OH * OW;
    of += SLOPES ? block * F * OH * OW : 0;
    for (int begin = 0; begin < TILES; begin += TB) {
        const int count = min(TB, TILES - begin);
        for (size_t c = 0; c < C; c++)
            for (int t = 0; t < count; t += TT)
                for (int i = 0; i < TT; i++) {
                    const int tile = min(begin + t, TILES - TT) + i;
                    const int ih = 4 * row - PT, iw = 4 * tile - PL;
                    IN map = x + c * H * W;
                    __local vec *to = v + t * C + c * TT + i;
                    fetch(map + H * W, W, ih, 4 * tile, 6);
                    if (ih >= 0 && ih + 6 <= H && iw >= 0 && iw + 6 <= W)
                        input_tile(map, ih, iw, to, V_STEP, 1);
                    else
                        input_tile(map, ih, iw, to, V_STEP, 0);
                }
        for (size_t k = 0; k < 36; k++)
            for (size_t tile = 0; tile < F_TILES; tile++) {
                const size_t f0 = TILE_BEGIN(tile);
                for (int t = 0; t < count; t += TT)
                    product(u + (k * F_TILES + tile) * C * OT, v + k * V_STEP + t * C,
                            m + k * M_STEP + t * F + f0 * TT);
            }
        for (size_t f = 0; f < F; f++)
            for (int t = 0; t < count; t += TT)
                for (int i = 0; i < TT; i++) {
                    const int tile = min(begin + t, TILES - TT) + i;
                    OUT map = y + f * OH * OW;
                    IN slopes = of + (SLOPES ? f * OH * OW : 0);
                    if (!STREAMED) fetch(map + OH * OW, OW, 4 * row, 4 * tile, 4);
                    if (SLOPES) fetch(slopes + OH * OW, OW, 4 * row, 4 * tile, 4);
                    output_tile(m + t * F + f * TT + i, M_STEP, HAS_BIAS ? b[f] : 0.0f,
                                map, slopes, slope, 4 * row, 4 * tile);
                }
    }
    if (STREAMED) { STREAM_END }
}
