/* Winograd's convolution of many channels; winograd.cl comes before it.

   Where V of all channels and M of all filters find no room beside one another, V of all
   tiles is written to memory first (`winograd_input`), and a work-item of `winograd_wide`
   takes FT tiles of OT filters of one row of tiles: so U, which is large then, is read once
   for a row and not once for every few tiles. TB is the whole row here. */

#define C_EACH 32 /* channels that a work-item of winograd_input transforms */
#define WIDE_STEP (FT * OT * TB + 2)

/* v [row of tiles][k][TT tiles][c][tile], of `count` rows from `begin` on. */
KERNEL winograd_input(IN x, __global float *v, const uint begin, const uint count) {
    __local vec some[36 * (TT + 1)]; /* one channel, TT tiles */
    const size_t id = get_global_id(0), row = begin + id % count;
    const int ih = 4 * (row % TILE_ROWS) - PT;
    const size_t c0 = id / count * C_EACH, c1 = c0 + C_EACH < C ? c0 + C_EACH : C;
    x += row / TILE_ROWS * C * H * W;
    __global vec *to = (__global vec *)v + id % count * 36 * V_STEP;
    for (size_t c = c0; c < c1; c++)
        for (int t = 0; t < TB; t += TT) {
            for (int i = 0; i < TT; i++) {
                const int tile = min(t, TILES - TT) + i, iw = 4 * tile - PL;
                IN map = x + c * H * W;
                fetch(map + H * W, W, ih, 4 * tile, 6);
                if (ih >= 0 && ih + 6 <= H && iw >= 0 && iw + 6 <= W)
                    input_tile(map, ih, iw, some + i, TT + 1, 1);
                else
                    input_tile(map, ih, iw, some + i, TT + 1, 0);
            }
            for (size_t k = 0; k < 36; k++)
                for (size_t i = 0; i < TT; i++)
                    to[k * V_STEP + t * C + c * TT + i] = some[k * (TT + 1) + i];
        }
}

KERNEL winograd_wide(NUMBERS_IN v, NUMBERS_IN u, NUMBERS_IN b, OUT y, IN of,
                     const float slope, const uint begin, const uint count) {
    __local vec element[C * TB]; /* V of one element k */
    __local vec m[36 * WIDE_STEP];
    const size_t id = get_global_id(0), row = begin + id % count;
    const size_t tile0 = id / count * FT;
    const size_t tile1 = tile0 + FT < F_TILES ? tile0 + FT : F_TILES;
    IN from = (__global const vec *)v + id % count * 36 * V_STEP;
    y += row / TILE_ROWS * F * OH * OW;
    of += SLOPES ? row / TILE_ROWS * F * OH * OW : 0;
    for (size_t k = 0; k < 36; k++) {
        for (size_t i = 0; i < C * TB; i++) element[i] = from[k * V_STEP + i];
        for (size_t tile = tile0; tile < tile1; tile++)
            for (int t = 0; t < TB; t += TT)
                product(u + (k * F_TILES + tile) * C * OT, element + t * C,
                        m + k * WIDE_STEP + (t * FT + (tile - tile0) * TT) * OT);
    }
    for (size_t f = tile0 * OT; f < tile1 * OT; f++)
        for (int t = 0; t < TB; t += TT)
            for (int i = 0; i < TT; i++)
                output_tile(m + t * FT * OT + (f - tile0 * OT) * TT + i, WIDE_STEP,
                            HAS_BIAS ? b[f] : 0.0f, y + f * OH * OW,
                            of + (SLOPES ? f * OH * OW : 0), slope,
                            4 * (row % TILE_ROWS), 4 * (min(t, TILES - TT) + i));
    if (STREAMED) { STREAM_END }
}
