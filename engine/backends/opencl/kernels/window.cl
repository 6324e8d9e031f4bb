/* What the kernels of conv.cl, conv_weights.cl and conv_sum.cl have in common.

   Formulas: engine/layers/conv.py. Layouts: x (n, C, H, W), y (n, F, OH, OW) as in
   common.cl; weights [f][c of the group][u][v] in C order.

   Compiled in: C, H, W of the source, F, OH, OW of the result, KH, KW, SH, SW, UH, UW,
   DH, DW, PT, PL, G; see conv.cl.

   The kernels hold a small tile of results in registers and walk over the sum. What a
   tile loads it uses several times, so that the multiply-adds, not the loads, set the
   pace. Every sum runs in an order that no choice of a tile changes.

   Borders: the first LEFT and last RIGHT tiles of a row (columns, of the weights' sum)
   are compiled one by one, and their products with what lies beyond the map vanish. If
   both are 0, each tile asks whether it meets a border. */

#ifndef LEFT
#define LEFT 0    /* tiles at the left border whose columns are compiled in */
#endif
#ifndef RIGHT
#define RIGHT 0   /* and at the right border */
#endif

#define CG (C / G)
#define FG (F / G)
#define F_TILES ((FG + OT - 1) / OT)
/* Unlike min(), known to the compiler before it unrolls loops. */
#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define INLINE static inline __attribute__((always_inline)) void

/* How far a window reaches to the left and right of column ow · SW of the source. */
#define LOW PL
#define HIGH ((KW - 1) * DW - PL)

/* The sum of `count` vectors: four sums side by side, so that none waits for another. */
static inline vec sum_of(IN x, const int count) {
    vec sum[4] = {ZERO, ZERO, ZERO, ZERO};
    int i = 0;
    for (; i + 4 <= count; i += 4)
#pragma unroll
        for (int k = 0; k < 4; k++) sum[k] += x[i + k];
    for (; i < count; i++) sum[0] += x[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
