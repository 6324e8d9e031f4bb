/* Activation functions and dropout.

   Formulas: engine/layers/drop.py; those of the functions stand in functions.cl.
   One work-item: CHUNK elements in a row; a chunk belongs to one work-item alone. */

#define CHUNK 64

KERNEL activation_forward(IN x, OUT y, const float slope, const ulong count) {
    const size_t begin = get_global_id(0) * CHUNK;
    const size_t end = min(begin + CHUNK, (size_t)count);
    for (size_t i = begin; i < end; i++) y[i] = ACTIVATED(x[i]);
}

/* dx may be dy. */
KERNEL activation_backward(IN y, __global const vec *dy, __global vec *dx,
                           const float slope, const ulong count) {
    const size_t begin = get_global_id(0) * CHUNK;
    const size_t end = min(begin + CHUNK, (size_t)count);
    for (size_t i = begin; i < end; i++) dx[i] = SLOPED(dy[i], y[i]);
}

/* One Philox block gives the numbers of four features in a row of one sample; the lanes
   are samples. The last block of a sample may reach beyond its features. What stays has
   u · 2^24 of at least `least`. */
KERNEL dropout(IN x, OUT y, const int least, const float factor, const uint features,
               const uint seed, const uint purpose, const uint layer, const uint step) {
    const uint quads = (features + 3) / 4;
    const uint parts = (quads + CHUNK / 4 - 1) / (CHUNK / 4);
    const size_t id = get_global_id(0);
    const size_t block = id / parts;
    const uint begin = id % parts * (CHUNK / 4);
    const uint end = min(begin + CHUNK / 4, quads);
    const uvec lane = (uvec)LANE;
    for (uint quad = begin; quad < end; quad++) {
        uvec word[4] = {(uvec)quad, lane + (uint)(block * LANES), (uvec)layer,
                          (uvec)step};
        philox(word, seed, purpose);
        for (uint i = 0; i < 4 && quad * 4 + i < features; i++) {
            const size_t at = block * features + quad * 4 + i;
            const ivec u = JOIN(as_int, LANES)(word[i] >> 8);
            y[at] = u >= least ? x[at] * factor : ZERO;
        }
    }
}

/* y may be a: each element is read before it is written, by one work-item. */
KERNEL add(__global const vec *a, IN b, __global vec *y, const ulong count) {
    const size_t begin = get_global_id(0) * CHUNK;
    const size_t end = min(begin + CHUNK, (size_t)count);
    for (size_t i = begin; i < end; i++) y[i] = a[i] + b[i];
}

/* Of each sample the features x_begin ... become y_begin ...; a chunk is one block's. */
KERNEL copy_features(IN x, OUT y, const uint x_begin, const uint x_features,
                     const uint y_begin, const uint y_features, const uint count) {
    const uint parts = (count + CHUNK - 1) / CHUNK;
    const size_t block = get_global_id(0) / parts;
    const uint begin = get_global_id(0) % parts * CHUNK;
    const uint end = min(begin + CHUNK, count);
    x += block * x_features + x_begin;
    y += block * y_features + y_begin;
    for (size_t i = begin; i < end; i++) y[i] = x[i];
}
