/* The device's own limits: multiply-adds in registers, and bytes to and from memory. */

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
fma_peak(__global VEC *x, const int rounds) {
    VEC a[10];
    for (int i = 0; i < 10; i++) a[i] = x[i];
    const VEC b = x[10], c = x[11];
    for (int r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < 10; i++) a[i] = a[i] * b + c;
    VEC sum = a[0];
    for (int i = 1; i < 10; i++) sum += a[i];
    x[16 + get_global_id(0)] = sum;
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
triad(__global const VEC *restrict a, __global const VEC *restrict b,
      __global VEC *restrict c, const ulong each) {
    const size_t begin = get_global_id(0) * each;
    for (size_t i = begin; i < begin + each; i++) c[i] = a[i] + 2.0f * b[i];
}
