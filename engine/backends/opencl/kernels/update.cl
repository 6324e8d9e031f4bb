/* The optimiser's update: weight decay, the step d of the rule, and w − d.

   Formulas: engine/backends/update.py, whose names the numbers have here. w, dw and what
   the rule keeps (a, b) are flat arrays of `count` floats; a rule that keeps fewer
   touches no more. One work-item: CHUNK elements in a row, each of them by itself.

   One of SGD, MOMENTUM, NESTEROV, ADAGRAD, ADADELTA, ADAM is defined, and DECAYS: whether
   any coefficient of decay is not 0. */

#define CHUNK 1024

/* k: the rule's numbers; decay: l1, l2, η · decoupled, s3. */
KERNEL update(NUMBERS_OUT w, NUMBERS_IN dw, NUMBERS_OUT a, NUMBERS_OUT b,
              const float8 k, const float4 decay, const ulong count) {
    const size_t begin = get_global_id(0) * CHUNK;
    const size_t end = min(begin + CHUNK, (size_t)count);
    for (size_t i = begin; i < end; i++) {
#if DECAYS
        const float g = dw[i] + decay.s1 * w[i] + decay.s0 * sign(w[i]);
        const float kept = w[i] - (decay.s2 + decay.s3 * fabs(w[i])) * w[i];
#else
        const float g = dw[i];
        const float kept = w[i];
#endif
#if defined(SGD) /* rate */
        const float d = k.s0 * g;
#elif defined(MOMENTUM) /* inertia, gain, rate */
        const float v = k.s0 * a[i] + k.s1 * g;
        a[i] = v;
        const float d = k.s2 * v;
#elif defined(NESTEROV) /* inertia, gain, rate */
        const float v = k.s0 * a[i] + k.s1 * g;
        a[i] = v;
        const float d = k.s2 * (k.s0 * v + k.s1 * g);
#elif defined(ADAGRAD) /* rate, inside, outside */
        const float s = a[i] + g * g;
        a[i] = s;
        const float d = k.s0 * g / (sqrt(s + k.s1) + k.s2);
#elif defined(ADADELTA) /* rate, rho, rest, epsilon */
        const float s = k.s1 * a[i] + k.s2 * g * g;
        const float each = sqrt((b[i] + k.s3) / (s + k.s3)) * g;
        a[i] = s;
        b[i] = k.s1 * b[i] + k.s2 * each * each;
        const float d = k.s0 * each;
#elif defined(ADAM) /* rate, correction, beta1, rest1, beta2, rest2, inside, outside */
        const float m = k.s2 * a[i] + k.s3 * g;
        const float v = k.s4 * b[i] + k.s5 * g * g;
        a[i] = m;
        b[i] = v;
        const float d = k.s0 * m / (sqrt(k.s1 * v + k.s6) + k.s7);
#endif
        w[i] = kept - d;
    }
}
