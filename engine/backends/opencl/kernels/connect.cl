/* Dropconnect and freezeconnect: masks over an array of weights.

   Formulas: engine/layers/drop.py. Weights are flat, [row][index within the row], `size`
   to a row. One work-item: 4 · LANES weights of one row, or what is left of it; each lane
   draws the Philox block of four weights in a row. */

#define EACH (4 * LANES)

/* Defines `at`, the first weight, and `count`; u(k) is the number of weight at + k. */
#define DRAW                                                                       \
    const uint parts = (size + EACH - 1) / EACH;                                   \
    const size_t row = get_global_id(0) / parts;                                   \
    const uint begin = get_global_id(0) % parts * EACH;                            \
    const size_t at = row * size + begin;                                          \
    const uint count = min(size - begin, (uint)EACH);                              \
    uvec word[4] = {(uvec)LANE + begin / 4, (uvec)(uint)row, (uvec)layer,          \
                    (uvec)step};                                                   \
    philox(word, seed, purpose);                                                   \
    float numbers[4][LANES];                                                       \
    for (int i = 0; i < 4; i++)                                                    \
        JOIN(vstore, LANES)                                                        \
        (JOIN(convert_float, LANES)(word[i] >> 8) * 0x1p-24f, 0, numbers[i]);
#define U(k) numbers[(k) % 4][(k) / 4]

/* y = w · mask / (1 − portion), `factor` = 1 / (1 − portion). y may be w: each weight is
   read before it is written, by one work-item. */
KERNEL dropconnect(__global const float *w, __global float *y, const float portion,
                   const float factor, const uint size, const uint seed,
                   const uint purpose, const uint layer, const uint step) {
    DRAW
    for (uint k = 0; k < count; k++)
        y[at + k] = w[at + k] * (U(k) >= portion ? factor : 0.0f); /* NaN stays */
}

/* w = kept where the mask leaves out. */
KERNEL freezeconnect(NUMBERS_IN kept, NUMBERS_OUT w, const float portion,
                     const float factor, const uint size, const uint seed,
                     const uint purpose, const uint layer, const uint step) {
    DRAW
    for (uint k = 0; k < count; k++)
        if (U(k) < portion) w[at + k] = kept[at + k];
}
