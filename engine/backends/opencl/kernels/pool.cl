/* Max and average pooling, forward and backward.

   Formulas: engine/layers/pool.py. x (n, C, H, W), y and place (n, C, OH, OW) as in
   common.cl. One work-item: ROWS rows of one map of a block of samples. `place` holds u · KW + v of
   the first maximum in the window, as a float. Backward gathers: each input element adds
   the windows that lie over it in row order, so no two work-items write one element.
   share [oh][ow]: 1 / the divisor of each window's mean.

   Backward multiplies by f', of the function whose output x is, by x or, where each place
   has one window, by the window's maximum.

   C, H, W, OH, OW, KH, KW, SH, SW, DH, DW, PT, PL are compiled in: size, stride,
   dilation, padding (top, left). Windows may reach beyond the map on every side. */

/* All windows lie on the map: nothing needs to ask. */
#define WHOLE                                                                      \
    (PT == 0 && PL == 0 && (OH - 1) * SH + (KH - 1) * DH < H &&                     \
     (OW - 1) * SW + (KW - 1) * DW < W)

/* And no two have a place in common. */
#define DISJOINT (WHOLE && KH <= SH && KW <= SW && DH == 1 && DW == 1)
/* Unlike min(), no call. */
#define LEAST(a, b) ((a) < (b) ? (a) : (b))

/* A maximum hides NaN, and minus infinity; both are NaN in the sum of the values' zeros,
   and so is infinity. */
KERNEL max_pool_forward(IN x, OUT y, OUT place) {
    const size_t parts = (OH + ROWS - 1) / ROWS;
    const size_t map = get_global_id(0) / parts; /* block · C + channel */
    const int begin = get_global_id(0) % parts * ROWS;
    const int end = LEAST(begin + ROWS, OH);
    for (int oh = begin; oh < end; oh++)
        for (int ow = 0; ow < OW; ow++) {
            vec best = (vec)(-INFINITY), where = ZERO, zeros = ZERO;
#pragma unroll
            for (int u = 0; u < KH; u++)
#pragma unroll
                for (int v = 0; v < KW; v++) {
                    const int ih = oh * SH + u * DH - PT, iw = ow * SW + v * DW - PL;
                    if (!WHOLE && (ih < 0 || ih >= H || iw < 0 || iw >= W)) continue;
                    const vec value = x[(map * H + ih) * W + iw];
                    const ivec better = value > best;
                    best = better ? value : best;
                    where = better ? (vec)(float)(u * KW + v) : where;
                    zeros += value * 0.0f;
                }
            y[(map * OH + oh) * OW + ow] = best + zeros;
            place[(map * OH + oh) * OW + ow] = where;
        }
}

#if DISJOINT
/* Row ih of a map, of windows without a place in common. */
static inline void max_row_backward(IN dy, IN place, IN y, OUT dx, const float slope,
                                    const int ih) {
    const int oh = ih / SH, u = ih % SH;
    const int columns = oh < OH && u < KH ? OW : 0;
    for (int ow = 0; ow < columns; ow++) {
        const int i = oh * OW + ow;
        const vec d = SLOPED(dy[i], y[i]), where = place[i];
#pragma unroll
        for (int v = 0; v < KW; v++)
            dx[ih * W + ow * SW + v] = where == (vec)(float)(u * KW + v) ? d : ZERO;
        for (int iw = ow * SW + KW; iw < LEAST((ow + 1) * SW, W); iw++)
            dx[ih * W + iw] = ZERO;
    }
    for (int iw = columns * SW; iw < W; iw++) dx[ih * W + iw] = ZERO;
}
#else
/* Row ih of a map. */
static inline void max_row_backward(IN dy, IN place, IN x, OUT dx, const float slope,
                                    const int ih) {
    for (int iw = 0; iw < W; iw++) {
        vec sum = ZERO;
        for (int u = 0; u < KH; u++) {
            const int a = ih + PT - u * DH;
            if (a < 0 || a % SH || a / SH >= OH) continue;
            for (int v = 0; v < KW; v++) {
                const int c = iw + PL - v * DW;
                if (c < 0 || c % SW || c / SW >= OW) continue;
                const int i = a / SH * OW + c / SW;
                sum += place[i] == (vec)(float)(u * KW + v) ? dy[i] : ZERO;
            }
        }
        dx[ih * W + iw] = SLOPED(sum, x[ih * W + iw]);
    }
}
#endif

/* of: y where windows are disjoint, else x. */
KERNEL max_pool_backward(IN dy, IN place, IN of, OUT dx, const float slope) {
    const size_t parts = (H + ROWS - 1) / ROWS;
    const size_t map = get_global_id(0) / parts;
    const int begin = get_global_id(0) % parts * ROWS;
    dy += map * OH * OW;
    place += map * OH * OW;
    dx += map * H * W;
    of += FUNCTION == 5 ? 0 : DISJOINT ? map * OH * OW : map * H * W;
    for (int ih = begin; ih < LEAST(begin + ROWS, H); ih++)
        max_row_backward(dy, place, of, dx, slope, ih);
}

#ifndef STREAMED
#define STREAMED 0 /* whether dx is so large that it is stored past the caches */
#endif

/* Loops over a window, written out unless it is large. */
#if KH * KW <= 16
#define OVER_WINDOW _Pragma("unroll")
#else
#define OVER_WINDOW
#endif

KERNEL average_pool_forward(IN x, NUMBERS_IN share, OUT y) {
    const size_t parts = (OH + ROWS - 1) / ROWS;
    const size_t map = get_global_id(0) / parts;
    const int begin = get_global_id(0) % parts * ROWS;
    const int end = LEAST(begin + ROWS, OH);
    x += map * H * W;
    y += map * OH * OW;
    for (int oh = begin; oh < end; oh++)
        for (int ow = 0; ow < OW; ow++) {
            vec sum = ZERO;
            OVER_WINDOW
            for (int u = 0; u < KH; u++)
                OVER_WINDOW
                for (int v = 0; v < KW; v++) {
                    const int ih = oh * SH + u * DH - PT, iw = ow * SW + v * DW - PL;
                    if (!WHOLE && (ih < 0 || ih >= H || iw < 0 || iw >= W)) continue;
                    sum += x[ih * W + iw];
                }
            y[oh * OW + ow] = sum * share[oh * OW + ow];
        }
}

#if DISJOINT
/* Row ih of a map, of windows without a place in common. */
static inline void average_row_backward(IN dy, NUMBERS_IN share, IN x, OUT dx,
                                        const float slope, const int ih) {
    const int oh = ih / SH, u = ih % SH;
    const int columns = oh < OH && u < KH ? OW : 0;
    for (int ow = 0; ow < columns; ow++) {
        const vec d = dy[oh * OW + ow] * share[oh * OW + ow];
        OVER_WINDOW
        for (int v = 0; v < KW; v++)
        {
            const int i = ih * W + ow * SW + v;
            if (STREAMED) STREAM(dx + i, SLOPED(d, x[i]));
            else dx[i] = SLOPED(d, x[i]);
        }
        for (int iw = ow * SW + KW; iw < LEAST((ow + 1) * SW, W); iw++)
            dx[ih * W + iw] = ZERO;
    }
    for (int iw = columns * SW; iw < W; iw++) dx[ih * W + iw] = ZERO;
}
#else
/* Row ih of a map. */
static inline void average_row_backward(IN dy, NUMBERS_IN share, IN x, OUT dx,
                                        const float slope, const int ih) {
    for (int iw = 0; iw < W; iw++) {
        vec sum = ZERO;
        for (int u = 0; u < KH; u++) {
            const int a = ih + PT - u * DH;
            if (a < 0 || a % SH || a / SH >= OH) continue;
            for (int v = 0; v < KW; v++) {
                const int c = iw + PL - v * DW;
                if (c < 0 || c % SW || c / SW >= OW) continue;
                const int i = a / SH * OW + c / SW;
                sum += dy[i] * share[i];
            }
        }
        dx[ih * W + iw] = SLOPED(sum, x[ih * W + iw]);
    }
}
#endif

KERNEL average_pool_backward(IN dy, NUMBERS_IN share, IN x, OUT dx, const float slope) {
    const size_t parts = (H + ROWS - 1) / ROWS;
    const size_t map = get_global_id(0) / parts;
    const int begin = get_global_id(0) % parts * ROWS;
    const int end = LEAST(begin + ROWS, H);
    dy += map * OH * OW;
    dx += map * H * W;
    x += FUNCTION == 5 ? 0 : map * H * W;
    for (int ih = begin; ih < end; ih++)
        average_row_backward(dy, share, x, dx, slope, ih);
    if (STREAMED) { STREAM_END }
}
