/* Dense layer: forward, gradient of the data, gradient of the weights and of the bias.

   Formulas: engine/layers/dense.py. x is read as K features, y has O; layouts of both as
   in common.cl; weights [o][k] in C order. K, O are compiled in. A work-item holds a tile
   of sums in registers, as many as there are (engine/backends/opencl/dense.py):

       forward  OT outputs × NT blocks of samples; KU sums run side by side, so that few
                outputs do not wait for one chain of additions.
       data     KT input features × NT blocks.
       weights  OT outputs × the 2 · LANES features of a panel, PT panels one after
                another. The features must be in the lanes and the samples in a row, so
                `dense_panels` turns x before, into panels that are read from end to end:

                    panels[panel][sample][feature in the panel]

   Consecutive work-items of `forward` and `data` share their weights, those of `weights`
   their dy. Where a tile would reach over the end, it begins earlier or takes the last
   block twice: then two work-items write the same numbers, or one writes them twice. */

#ifndef OT
#define OT 6   /* outputs of a tile (forward, weights) */
#define KU 1   /* partial sums per output (forward) */
#define KT 6   /* input features of a tile (data) */
#define PT 8   /* panels of a work-item (weights) */
#endif
#define NT 2   /* blocks of samples of a tile (forward, data) */
#define PANEL (2 * LANES)
#define PANELS ((K + PANEL - 1) / PANEL)
#define EACH(i, count) _Pragma("unroll") for (int i = 0; i < count; i++)

/* The tile's first row of `rows`, `tall` a tile, and its blocks. */
#define TILE(rows, tall)                                              \
    const size_t across = (blocks + NT - 1) / NT;                     \
    const size_t wanted = get_global_id(0) / across * tall;           \
    const size_t row = wanted < rows - tall ? wanted : rows - tall;   \
    size_t block[NT];                                                 \
    EACH(j, NT) {                                                     \
        block[j] = get_global_id(0) % across * NT + j;                \
        if (block[j] >= blocks) block[j] = blocks - 1;                \
    }

KERNEL dense_forward(IN x, NUMBERS_IN w, NUMBERS_IN b, OUT y, const uint blocks,
                     const int biased) {
    TILE(O, OT)
    vec acc[KU][OT][NT];
    EACH(s, KU) EACH(o, OT) EACH(j, NT) acc[s][o][j] = ZERO;
    for (size_t first = 0; first < K; first += KU) {
        EACH(s, KU) {
            const size_t k = first + s;
            if (K % KU > 0 && k >= K) break;
            vec xs[NT];
            EACH(j, NT) xs[j] = x[block[j] * K + k];
            EACH(o, OT) {
                const vec weight = (vec)w[(row + o) * K + k];
                EACH(j, NT) acc[s][o][j] += weight * xs[j];
            }
        }
    }
    EACH(o, OT) {
        const vec bias = biased ? (vec)b[row + o] : ZERO;
        EACH(j, NT) {
            vec sum = acc[0][o][j];
#pragma unroll
            for (int s = 1; s < KU; s++) sum += acc[s][o][j];
            y[block[j] * O + row + o] = sum + bias;
        }
    }
}

KERNEL dense_data(IN dy, NUMBERS_IN w, OUT dx, const uint blocks) {
    TILE(K, KT)
    vec acc[KT][NT];
    EACH(k, KT) EACH(j, NT) acc[k][j] = ZERO;
    for (size_t o = 0; o < O; o++) {
        vec ds[NT];
        EACH(j, NT) ds[j] = dy[block[j] * O + o];
        EACH(k, KT) {
            const vec weight = (vec)w[o * K + row + k];
            EACH(j, NT) acc[k][j] += weight * ds[j];
        }
    }
    EACH(k, KT) EACH(j, NT) dx[block[j] * K + row + k] = acc[k][j];
}

/* One work-item: one panel, 0 behind feature K - 1. */
KERNEL dense_panels(IN x, OUT panels, const uint blocks) {
    const size_t k0 = get_global_id(0) * PANEL;
    OUT panel = panels + k0 * blocks;
    for (size_t block = 0; block < blocks; block++) {
        EACH(v, 2) {
            const size_t k = k0 + v * LANES;
            vec a[LANES];
            EACH(i, LANES) a[i] = k + i < K ? x[block * K + k + i] : ZERO;
            transpose(a);
            EACH(i, LANES) panel[(block * LANES + i) * 2 + v] = a[i];
        }
    }
}

KERNEL dense_weights(IN panels, IN dy, NUMBERS_OUT dw, NUMBERS_OUT db,
                     const uint samples, const uint blocks, const int biased) {
    const size_t parts = (PANELS + PT - 1) / PT;
    const size_t wanted = get_global_id(0) / parts * OT;
    const size_t row = wanted < O - OT ? wanted : O - OT;
    const size_t begin = get_global_id(0) % parts * PT;
    for (size_t panel = begin; panel < PANELS && panel < begin + PT; panel++) {
        const size_t k = panel * PANEL;
        IN xs = panels + k * blocks;
        vec acc[OT][2];
        EACH(o, OT) EACH(v, 2) acc[o][v] = ZERO;
        for (size_t s = 0; s < samples; s++) {
            const vec xa = xs[s * 2], xb = xs[s * 2 + 1];
            NUMBERS_IN d = (NUMBERS_IN)(dy + s / LANES * O + row) + s % LANES;
            EACH(o, OT) {
                const vec step = (vec)d[o * LANES];
                acc[o][0] += step * xa;
                acc[o][1] += step * xb;
            }
        }
        EACH(o, OT) {
            NUMBERS_OUT weights = dw + (row + o) * K + k;
            store_first(acc[o][0], weights, K - k);
            if (k + LANES < K) store_first(acc[o][1], weights + LANES, K - k - LANES);
        }
    }
    if (!biased || begin > 0) return;
    /* The first work-item of a tile also sums its biases. */
    for (size_t o = row; o < row + OT; o++) {
        vec sum = ZERO;
        for (size_t block = 0; block < blocks; block++) sum += dy[block * O + o];
        db[o] = lane_sum(sum);
    }
}
