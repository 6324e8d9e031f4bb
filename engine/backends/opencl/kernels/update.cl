/* The optimiser's update: weight decay, the step d of the rule, and w − d.

   Formulas: engine/backends/update.py, whose names the numbers have here. w, dw and what
   the rule keeps (a, b) are flat arrays of `count` floats; a rule that keeps fewer
   touches no more. One work-item: CHUNK elements in a row, each of them by itself.
   Vectors are spelled out, because no compiler makes any of a loop with a square root.

   One of SGD, MOMENTUM, NESTEROV, ADAGRAD, ADADELTA, ADAM is defined; KEPT: how many
   arrays it keeps; DECAYS: whether any coefficient of decay is not 0. */

#define CHUNK 2048

/* Changes w, a and b of one vector. k: the rule's numbers; decay: l1, l2,
   η · decoupled, s3. */
static inline void change(vec *w, const vec dw, vec *a, vec *b, const float8 k,
                          const float4 decay) {
#if DECAYS
    const vec size = *w < ZERO ? -*w : *w;
    const vec sign = (*w > ZERO ? (vec)1.0f : ZERO) - (*w < ZERO ? (vec)1.0f : ZERO);
    const vec g = dw + decay.s1 * *w + decay.s0 * sign;
    const vec kept = *w - (decay.s2 + decay.s3 * size) * *w;
#else
    const vec g = dw;
    const vec kept = *w;
#endif
#if SGD /* rate */
    const vec d = k.s0 * g;
#elif MOMENTUM /* inertia, gain, rate */
    *a = k.s0 * *a + k.s1 * g;
    const vec d = k.s2 * *a;
#elif NESTEROV /* inertia, gain, rate */
    *a = k.s0 * *a + k.s1 * g;
    const vec d = k.s2 * (k.s0 * *a + k.s1 * g);
#elif ADAGRAD /* rate, inside, outside */
    *a += g * g;
    const vec d = k.s0 * g / (ROOT(*a + k.s1) + k.s2);
#elif ADADELTA /* rate, rho, rest, epsilon */
    *a = k.s1 * *a + k.s2 * g * g;
    const vec each = ROOT((*b + k.s3) / (*a + k.s3)) * g;
    *b = k.s1 * *b + k.s2 * each * each;
    const vec d = k.s0 * each;
#elif ADAM /* rate, correction, beta1, rest1, beta2, rest2, inside, outside */
    *a = k.s2 * *a + k.s3 * g;
    *b = k.s4 * *b + k.s5 * g * g;
    const vec d = k.s0 * *a / (ROOT(k.s1 * *b + k.s6) + k.s7);
#endif
    *w = kept - d;
}

/* Changes the `each` numbers, at most LANES, from i on. */
#define CHANGE(each)                                                        \
    {                                                                       \
        vec weight = load_first(w + i, each), first = ZERO, second = ZERO;  \
        if (KEPT > 0) first = load_first(a + i, each);                      \
        if (KEPT > 1) second = load_first(b + i, each);                     \
        const vec gradient = load_first(dw + i, each);                      \
        change(&weight, gradient, &first, &second, k, decay);               \
        store_first(weight, w + i, each);                                   \
        if (KEPT > 0) store_first(first, a + i, each);                      \
        if (KEPT > 1) store_first(second, b + i, each);                     \
    }

KERNEL update(NUMBERS_OUT w, NUMBERS_IN dw, NUMBERS_OUT a, NUMBERS_OUT b,
              NUMBERS_IN fault, const float8 k, const float4 decay, const ulong count) {
    if (fault[0] != 0.0f) return;
    size_t i = get_global_id(0) * CHUNK;
    const size_t end = min(i + CHUNK, (size_t)count);
    for (; i + LANES <= end; i += LANES) CHANGE(LANES)
    if (i < end) CHANGE(end - i)
}
