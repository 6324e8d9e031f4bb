/* Dense layer: forward, gradient of the data, gradient of the weights and of the bias.

   Formulas: engine/layers/dense.py. x is read as K features, y has O; layouts of both as
   in common.cl; weights [o][k] in C order. K, O are compiled in. A work-item holds a tile
   of sums in registers, as many as there are (engine/backends/opencl/dense.py):

       forward  OT outputs × NT blocks of samples; KU sums run side by side, so that few
                outputs do not wait for one chain of additions.
       data     KT input features × NT blocks.
       weights  (with data in one kernel, `dense_backward`: the first work-items are its)
                OT outputs × the 2 · LANES features of a panel. The features must be in the
                lanes and the samples in a row: the work-item turns its panel of x, ST
                samples at a time, and has all of its group of tiles read that.

   `forward` writes f of its sums, `data` f' by its output `of` times its own.

   Consecutive work-items of `forward` and `data` share their weights. Where a tile would
   reach over the end, it begins earlier or takes the last block twice: then two
   work-items write the same numbers, or one writes them twice. */

#ifndef OT
#define OT 6   /* outputs of a tile (forward, weights) */
#define KU 1   /* partial sums per output (forward) */
#define KT 6   /* input features of a tile (data) */
#endif
#define NT 2   /* blocks of samples of a tile (forward, data) */
#define ST 128 /* samples turned at a time (weights), a multiple of LANES */
#define PANELS ((K + 2 * LANES - 1) / (2 * LANES))
#define EACH(i, count) _Pragma("unroll") for (int i = 0; i < count; i++)

/* The first row of `rows`, `tall` a tile, and the blocks of tile `id`. */
#define TILE(rows, tall)                                              \
    const size_t across = (blocks + NT - 1) / NT;                     \
    const size_t wanted = id / across * tall;                         \
    const size_t row = wanted < rows - tall ? wanted : rows - tall;   \
    size_t block[NT];                                                 \
    EACH(j, NT) {                                                     \
        block[j] = id % across * NT + j;                              \
        if (block[j] >= blocks) block[j] = blocks - 1;                \
    }

KERNEL dense_forward(IN x, NUMBERS_IN w, NUMBERS_IN b, OUT y, const float slope,
                     const uint blocks, const int biased) {
    const size_t id = get_global_id(0);
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
            const vec z = sum + bias;
            y[block[j] * O + row + o] = ACTIVATED(z);
        }
    }
}

static inline void data(const size_t id, IN dy, NUMBERS_IN w, OUT dx, IN of,
                        const float slope, const uint blocks) {
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
    EACH(k, KT) EACH(j, NT) {
        const size_t place = block[j] * K + row + k;
        dx[place] = SLOPED(acc[k][j], of[place]);
    }
}

/* panel[sample][vector] = the features k ... of x turned, 0 behind feature K - 1. */
static inline void turn(IN x, const size_t k, const size_t samples, vec panel[ST][2]) {
    for (size_t s = 0; s < samples; s += LANES, x += K) {
        EACH(v, 2) {
            const size_t first = k + v * LANES;
            vec a[LANES];
            EACH(i, LANES) a[i] = first + i < K ? x[first + i] : ZERO;
            transpose(a);
            EACH(i, LANES) panel[s + i][v] = a[i];
        }
    }
}

static inline void weights(const size_t id, IN x, IN dy, NUMBERS_OUT dw, NUMBERS_OUT db,
                           const uint samples, const uint blocks, const uint groups,
                           const int biased) {
    const size_t k = id % PANELS * 2 * LANES;
    const size_t group = id / PANELS;
    const size_t left[2] = {K - k, k + LANES < K ? K - k - LANES : 0};
    vec panel[ST][2];
    for (size_t first = 0; first < samples; first += ST) {
        const size_t count = samples - first < ST ? samples - first : ST;
        turn(x + first / LANES * K, k, count, panel);
        for (size_t wanted = group * OT; wanted < O; wanted += groups * OT) {
            const size_t row = wanted < O - OT ? wanted : O - OT;
            NUMBERS_IN d = (NUMBERS_IN)(dy + first / LANES * O + row);
            NUMBERS_OUT to = dw + row * K + k;
            vec acc[OT][2];
            EACH(o, OT) EACH(v, 2)
                acc[o][v] = first ? load_first(to + o * K + v * LANES, left[v]) : ZERO;
            for (size_t s = 0; s < count; s++) {
                NUMBERS_IN ds = d + s / LANES * O * LANES + s % LANES;
                const vec xa = panel[s][0], xb = panel[s][1];
                EACH(o, OT) {
                    const vec step = (vec)ds[o * LANES];
                    acc[o][0] += step * xa;
                    acc[o][1] += step * xb;
                }
            }
            /* Rows before `wanted` are another tile's. */
            EACH(o, OT) EACH(v, 2)
                if (row + o >= wanted)
                    store_first(acc[o][v], to + o * K + v * LANES, left[v]);
        }
    }
    if (!biased || k > 0) return;
    /* Of a group's work-items the first also sums biases. */
    for (size_t o = group; o < O; o += groups) {
        vec sum = ZERO;
        for (size_t block = 0; block < blocks; block++) sum += dy[block * O + o];
        db[o] = lane_sum(sum);
    }
}

/* `groups` may be 0: no weights. dx is written by as many work-items as there are more. */
KERNEL dense_backward(IN x, IN dy, NUMBERS_IN w, NUMBERS_OUT dw, NUMBERS_OUT db, OUT dx,
                      IN of, const float slope, const uint samples, const uint blocks,
                      const uint groups, const int biased) {
    const size_t id = get_global_id(0);
    if (id < PANELS * groups)
        weights(id, x, dy, dw, db, samples, blocks, groups, biased);
    else
        data(id - PANELS * groups, dy, w, dx, of, slope, blocks);
}
