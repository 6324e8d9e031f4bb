/* Padding, forward and backward.

   Formulas: engine/layers/pad.py. x (n, C, H, W), y (n, C, OH, OW) as in common.cl. One
   work-item: one row of one map of a block of samples. Backward: the work-item that owns
   a row of dx adds to it the rows of dy that are copies of it, in order, so no two
   work-items write one element.

   H, W, OH, OW, PT, PL (padding at top and left), MODE are compiled in. */

/* The place of the map, of `size` places, that place i of the padded one is a copy of;
   -1: of none. PadGeometry.sources is the same. */
static inline int source(const int i, const int size) {
#if MODE == 0 /* constant */
    return i >= 0 && i < size ? i : -1;
#elif MODE == 1 /* edge */
    return clamp(i, 0, size - 1);
#else /* reflect */
    const int turned = abs(i);
    return min(turned, 2 * (size - 1) - turned);
#endif
}

KERNEL pad_forward(IN x, OUT y, const float value) {
    const size_t id = get_global_id(0);
    const size_t map = id / OH; /* block · C + channel */
    const int row = source((int)(id % OH) - PT, H);
    for (int j = 0; j < OW; j++) {
        const int column = source(j - PL, W);
        y[id * OW + j] =
            row < 0 || column < 0 ? (vec)value : x[(map * H + row) * W + column];
    }
}

KERNEL pad_backward(IN dy, OUT dx) {
    const size_t id = get_global_id(0);
    const size_t map = id / H;
    const int row = id % H;
    dx += id * W;
    for (int column = 0; column < W; column++) dx[column] = ZERO;
    for (int i = 0; i < OH; i++) {
        if (source(i - PT, H) != row) continue;
        for (int j = 0; j < OW; j++) {
            const int column = source(j - PL, W);
            if (column >= 0) dx[column] += dy[(map * OH + i) * OW + j];
        }
    }
}
