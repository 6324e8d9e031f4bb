/* Max and average pooling, forward and backward.

   Formulas: engine/layers/pool.py. x (n, C, H, W), y and place (n, C, OH, OW) as in
   common.cl. One work-item: one row of one map of a block of samples. `place` holds u · KW + v of
   the first maximum in the window, as a float. Backward gathers: each input element adds
   the windows that lie over it in row order, so no two work-items write one element.
   share [oh][ow]: 1 / the divisor of each window's mean.

   C, H, W, OH, OW, KH, KW, SH, SW, DH, DW, PT, PL are compiled in: size, stride,
   dilation, padding (top, left). Windows may reach beyond the map on every side. */

KERNEL max_pool_forward(IN x, OUT y, OUT place) {
    const size_t id = get_global_id(0);
    const int oh = id % OH;
    const size_t map = id / OH; /* block · C + channel */
    for (int ow = 0; ow < OW; ow++) {
        vec best = (vec)(-INFINITY), where = ZERO;
        for (int u = 0; u < KH; u++)
            for (int v = 0; v < KW; v++) {
                const int ih = oh * SH + u * DH - PT, iw = ow * SW + v * DW - PL;
                if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
                vec value = x[(map * H + ih) * W + iw];
                value += value - value; /* NaN for an infinity, or a maximum hides it */
                /* A NaN is taken and kept. */
                const ivec better = ~(value <= best) & (best == best);
                best = select(best, value, better);
                where = select(where, (vec)(float)(u * KW + v), better);
            }
        y[(map * OH + oh) * OW + ow] = best;
        place[(map * OH + oh) * OW + ow] = where;
    }
}

KERNEL max_pool_backward(IN dy, IN place, OUT dx) {
    const size_t id = get_global_id(0);
    const int ih = id % H;
    const size_t map = id / H;
    for (int iw = 0; iw < W; iw++) {
        vec sum = ZERO;
        for (int u = 0; u < KH; u++) {
            const int a = ih + PT - u * DH;
            if (a < 0 || a % SH || a / SH >= OH) continue;
            for (int v = 0; v < KW; v++) {
                const int c = iw + PL - v * DW;
                if (c < 0 || c % SW || c / SW >= OW) continue;
                const size_t i = (map * OH + a / SH) * OW + c / SW;
                const ivec hit = place[i] == (vec)(float)(u * KW + v);
                sum += select(ZERO, dy[i], hit);
            }
        }
        dx[(map * H + ih) * W + iw] = sum;
    }
}

KERNEL average_pool_forward(IN x, NUMBERS_IN share, OUT y) {
    const size_t id = get_global_id(0);
    const int oh = id % OH;
    const size_t map = id / OH;
    for (int ow = 0; ow < OW; ow++) {
        vec sum = ZERO;
        for (int u = 0; u < KH; u++)
            for (int v = 0; v < KW; v++) {
                const int ih = oh * SH + u * DH - PT, iw = ow * SW + v * DW - PL;
                if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
                sum += x[(map * H + ih) * W + iw];
            }
        y[(map * OH + oh) * OW + ow] = sum * share[oh * OW + ow];
    }
}

KERNEL average_pool_backward(IN dy, NUMBERS_IN share, OUT dx) {
    const size_t id = get_global_id(0);
    const int ih = id % H;
    const size_t map = id / H;
    for (int iw = 0; iw < W; iw++) {
        vec sum = ZERO;
        for (int u = 0; u < KH; u++) {
            const int a = ih + PT - u * DH;
            if (a < 0 || a % SH || a / SH >= OH) continue;
            for (int v = 0; v < KW; v++) {
                const int c = iw + PL - v * DW;
                if (c < 0 || c % SW || c / SW >= OW) continue;
                const int i = a / SH * OW + c / SW;
                sum += dy[map * OH * OW + i] * share[i];
            }
        }
        dx[(map * H + ih) * W + iw] = sum;
    }
}
