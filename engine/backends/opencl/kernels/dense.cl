/* Dense layer: forward, gradient of the data, gradient of the weights.

   Formulas: engine/layers/dense.py. x is read as K features, y has O; layouts of both as
   in common.cl; weights [o][k] in C order. K, O are compiled in.

       forward  one work-item: OT outputs of NT blocks of samples; KU sums run side by
                side, so that few outputs do not wait for one chain of additions.
       data     one work-item: KT input features of NT blocks.
       weights  needs the samples one after another and the features in the lanes: x is
                transposed first (`dense_transpose`), then one work-item sums OT × 2 vectors
                of weights over the samples in order. */

#ifndef OT
#define OT 8      /* outputs a work-item holds */
#endif
#ifndef KT
#define KT 8      /* input features (data) a work-item holds */
#endif
#ifndef KU
#define KU 1      /* partial sums per output (forward) */
#endif
#define NT 2      /* blocks of samples it holds */
#define O_TILES ((O + OT - 1) / OT)
#define K_TILES ((K + KT - 1) / KT)
#define KV ((K + LANES - 1) / LANES)  /* vectors of features */

KERNEL dense_forward(IN x, NUMBERS_IN w, NUMBERS_IN b, OUT y, const uint blocks) {
    const size_t id = get_global_id(0);
    const size_t o0 = min(id % O_TILES * OT, (size_t)(O - OT));
    const size_t n0 = id / O_TILES * NT;
    /* Of an odd number of blocks the last is computed twice rather than read beyond. */
    const size_t n1 = min(n0 + 1, (size_t)blocks - 1);
    IN xa = x + n0 * K;
    IN xb = x + n1 * K;
    vec acc[KU][OT][NT];
#pragma unroll
    for (int i = 0; i < KU * OT * NT; i++) acc[i / (OT * NT)][i / NT % OT][i % NT] = ZERO;
    size_t k = 0;
    for (; k + KU <= K; k += KU) {
#pragma unroll
        for (int s = 0; s < KU; s++) {
            const vec va = xa[k + s], vb = xb[k + s];
#pragma unroll
            for (int o = 0; o < OT; o++) {
                const vec wv = (vec)w[(o0 + o) * K + k + s];
                acc[s][o][0] += wv * va;
                acc[s][o][1] += wv * vb;
            }
        }
    }
    for (; k < K; k++) {
#pragma unroll
        for (int o = 0; o < OT; o++) {
            const vec wv = (vec)w[(o0 + o) * K + k];
            acc[0][o][0] += wv * xa[k];
            acc[0][o][1] += wv * xb[k];
        }
    }
#pragma unroll
    for (int o = 0; o < OT; o++) {
        const vec bias = HAS_BIAS ? (vec)b[o0 + o] : ZERO;
        vec a = acc[0][o][0], c = acc[0][o][1];
#pragma unroll
        for (int s = 1; s < KU; s++) {
            a += acc[s][o][0];
            c += acc[s][o][1];
        }
        y[n0 * O + o0 + o] = a + bias;
        y[n1 * O + o0 + o] = c + bias;
    }
}

KERNEL dense_data(IN dy, NUMBERS_IN w, OUT dx, const uint blocks) {
    const size_t id = get_global_id(0);
    const size_t k0 = min(id % K_TILES * KT, (size_t)(K - KT));
    const size_t n0 = id / K_TILES * NT;
    const size_t n1 = min(n0 + 1, (size_t)blocks - 1);
    vec acc[KT][NT];
#pragma unroll
    for (int i = 0; i < KT * NT; i++) acc[i / NT][i % NT] = ZERO;
    for (size_t o = 0; o < O; o++) {
        const vec da = dy[n0 * O + o], db = dy[n1 * O + o];
#pragma unroll
        for (int k = 0; k < KT; k++) {
            const vec wv = (vec)w[o * K + k0 + k];
            acc[k][0] += wv * da;
            acc[k][1] += wv * db;
        }
    }
#pragma unroll
    for (int k = 0; k < KT; k++) {
        dx[n0 * K + k0 + k] = acc[k][0];
        dx[n1 * K + k0 + k] = acc[k][1];
    }
}

/* xt[s][k] = x(sample s, feature k), rows padded to KV vectors with zeros; one work-item:
   LANES features of one block. */
KERNEL dense_transpose(NUMBERS_IN x, NUMBERS_OUT xt) {
    const size_t id = get_global_id(0);
    const size_t k0 = id % KV * LANES;
    const size_t block = id / KV;
    for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < LANES; i++)
            xt[((block * LANES + lane) * KV) * LANES + k0 + i] =
                k0 + i < K ? x[(block * K + k0 + i) * LANES + lane] : 0.0f;
}

KERNEL dense_weights(IN xt, NUMBERS_IN dy, NUMBERS_OUT dw, const uint samples) {
    const size_t pairs = (KV + 1) / 2;
    const size_t id = get_global_id(0);
    const size_t o0 = min(id / pairs * OT, (size_t)(O - OT));
    const size_t ka = id % pairs * 2;
    const size_t kb = min(ka + 1, (size_t)(KV - 1));
    vec acc[OT][2];
#pragma unroll
    for (int i = 0; i < OT * 2; i++) acc[i / 2][i % 2] = ZERO;
    for (size_t s = 0; s < samples; s++) {
        const vec xa = xt[s * KV + ka], xb = xt[s * KV + kb];
        NUMBERS_IN d = dy + (s / LANES * O + o0) * LANES + s % LANES;
#pragma unroll
        for (int o = 0; o < OT; o++) {
            const vec dv = (vec)d[o * LANES];
            acc[o][0] += dv * xa;
            acc[o][1] += dv * xb;
        }
    }
#pragma unroll
    for (int o = 0; o < OT; o++) {
        NUMBERS_OUT row = dw + (o0 + o) * K;
        store_first(acc[o][0], row + ka * LANES, K - ka * LANES);
        store_first(acc[o][1], row + kb * LANES, K - kb * LANES);
    }
}

/* db[o] = Σ over samples of dy; one work-item: one output. */
KERNEL dense_bias(IN dy, NUMBERS_OUT db, const uint blocks) {
    const size_t o = get_global_id(0);
    vec sum = ZERO;
    for (size_t block = 0; block < blocks; block++) sum += dy[block * O + o];
    db[o] = lane_sum(sum);
}
