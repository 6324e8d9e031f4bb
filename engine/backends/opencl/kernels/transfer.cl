/* Between the host's rows, one sample after another, and the blocks of common.cl.

   rows (blocks · LANES, features): behind the last sample lie rows of zeros. One
   work-item: CHUNK features of one block, LANES × LANES numbers at a time. */

#define CHUNK 256

#define OVER_CHUNKS                                               \
    const uint parts = (features + CHUNK - 1) / CHUNK;            \
    const size_t block = get_global_id(0) / parts;                \
    const uint begin = get_global_id(0) % parts * CHUNK;          \
    const uint end = min(begin + CHUNK, features);                \
    const uint whole = begin + (end - begin) / LANES * LANES;

KERNEL to_blocks(NUMBERS_IN rows, OUT x, const uint features) {
    OVER_CHUNKS
    rows += block * LANES * features;
    x += block * features;
    for (uint f = begin; f < whole; f += LANES) {
        vec a[LANES];
#pragma unroll
        for (int i = 0; i < LANES; i++)
            a[i] = load_first(rows + i * features + f, LANES);
        transpose(a);
#pragma unroll
        for (int i = 0; i < LANES; i++) x[f + i] = a[i];
    }
    for (uint f = whole; f < end; f++)
        for (int i = 0; i < LANES; i++)
            ((__global float *)x)[f * LANES + i] = rows[i * features + f];
}

/* The same of rows that lie anywhere: row s of the batch is row number[s] of `samples`, or
   one of zeros where that is -1. And of `blocks` blocks of single numbers, whose layout is
   the host's: t = targets. */
KERNEL draw_blocks(NUMBERS_IN samples, __global const int *restrict number,
                   NUMBERS_IN targets, OUT x, OUT t, const uint features,
                   const uint blocks) {
    if (get_global_id(0) == 0)
        for (uint i = 0; i < blocks; i++) t[i] = load_first(targets + i * LANES, LANES);
    OVER_CHUNKS
    number += block * LANES;
    x += block * features;
    for (uint f = begin; f < whole; f += LANES) {
        vec a[LANES];
#pragma unroll
        for (int i = 0; i < LANES; i++)
            a[i] = number[i] < 0
                       ? ZERO
                       : load_first(samples + (size_t)number[i] * features + f, LANES);
        transpose(a);
#pragma unroll
        for (int i = 0; i < LANES; i++) x[f + i] = a[i];
    }
    for (uint f = whole; f < end; f++)
        for (int i = 0; i < LANES; i++)
            ((__global float *)x)[f * LANES + i] =
                number[i] < 0 ? 0.0f : samples[(size_t)number[i] * features + f];
}

KERNEL to_rows(IN x, NUMBERS_OUT rows, const uint features) {
    OVER_CHUNKS
    rows += block * LANES * features;
    x += block * features;
    for (uint f = begin; f < whole; f += LANES) {
        vec a[LANES];
#pragma unroll
        for (int i = 0; i < LANES; i++) a[i] = x[f + i];
        transpose(a);
#pragma unroll
        for (int i = 0; i < LANES; i++)
            store_first(a[i], rows + i * features + f, LANES);
    }
    for (uint f = whole; f < end; f++)
        for (int i = 0; i < LANES; i++)
            rows[i * features + f] = ((__global const float *)x)[f * LANES + i];
}
