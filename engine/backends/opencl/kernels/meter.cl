/* The device's own limits: multiply-adds in registers, and bytes to and from memory. */

KERNEL fma_peak(__global vec *x, const int rounds) {
    vec a[10];
    for (int i = 0; i < 10; i++) a[i] = x[i];
    const vec b = x[10], c = x[11];
    for (int r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < 10; i++) a[i] = a[i] * b + c;
    vec sum = a[0];
    for (int i = 1; i < 10; i++) sum += a[i];
    x[16 + get_global_id(0)] = sum;
}

KERNEL triad(IN a, IN b, OUT c, const ulong each) {
    const size_t begin = get_global_id(0) * each;
    for (size_t i = begin; i < begin + each; i++) c[i] = a[i] + 2.0f * b[i];
}
