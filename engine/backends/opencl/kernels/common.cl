/* What every kernel file begins with.

   Layout. A batch array of n samples with F features (channels × height × width, in C
   order) lies in memory as

       element (sample s, feature f)  ->  (s / LANES · F + f) · LANES + s % LANES

   so one `vec` holds one feature of LANES samples, a block. Whatever the geometry, LANES
   samples are computed by one instruction. The lanes behind sample n - 1 are padding:
   they hold finite numbers that no sum ever takes in, because the gradient that the loss
   writes there is 0. Where a kernel sums something else over samples, or what it writes
   there would be neither, it masks them by `real_lanes`.

   A work-group is one work-item: on a CPU device it is a loop body that runs on one core,
   and the vector instructions come from `vec`. Work-items own their outputs; sums run in
   one fixed order. So the bytes do not depend on the number of threads. */

#ifndef LANES
#define LANES 8   /* floats in the device's vector register: 8 or 16 */
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, LANES) vec;
typedef JOIN(int, LANES) ivec;
typedef JOIN(uint, LANES) uvec;
#if LANES == 16
#define LANE (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#else
#define LANE (0, 1, 2, 3, 4, 5, 6, 7)
#endif
#define ZERO ((vec)0.0f)
#define KERNEL                                        \
    __attribute__((reqd_work_group_size(1, 1, 1)))    \
    __attribute__((vec_type_hint(vec))) __kernel void
#define IN __global const vec *restrict
#define OUT __global vec *restrict
#define NUMBERS_IN __global const float *restrict
#define NUMBERS_OUT __global float *restrict

#ifndef __has_builtin /* clang's */
#define __has_builtin(name) 0
#endif

/* Ask for the cache line at p, where the compiler can; LINE vectors lie in one. */
#if __has_builtin(__builtin_prefetch)
#define PREFETCH(p) __builtin_prefetch((const void *)(uintptr_t)(p))
#endif
#define LINE (16 / LANES)

/* A store past the caches: for what will have left them before anybody reads it, it saves
   reading the lines that are then overwritten. A work-item that streams ends by
   STREAM_END, so that the next kernel sees it all. */
#if defined(__SSE__) && __has_builtin(__builtin_ia32_sfence) && \
    __has_builtin(__builtin_nontemporal_store)
#define STREAM(p, v) __builtin_nontemporal_store(v, p)
#define STREAM_END __builtin_ia32_sfence();
#else
#define STREAM(p, v) (*(p) = (v))
#define STREAM_END
#endif

/* Which lanes of a block hold one of the n samples. */
static inline ivec real_lanes(const size_t block, const uint n) {
    const ivec lane = (ivec)LANE;
    return lane + (int)(block * LANES) < (ivec)(int)n;
}

/* The sum of the lanes, in a fixed tree. */
static inline float lane_sum(vec v) {
#if LANES == 16
    const float8 a = v.lo + v.hi;
#else
    const float8 a = v;
#endif
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

/* Turns a block of LANES × LANES numbers, a[i][j] -> a[j][i]. Each round shuffles two
   halves into one another, as a pack of cards; after log2 LANES rounds it is turned. */
static inline __attribute__((always_inline)) void transpose(vec a[LANES]) {
    vec b[LANES];
#pragma unroll
    for (int n = 1; n < LANES; n *= 2) {
#pragma unroll
        for (int i = 0; i < LANES / 2; i++) {
            b[2 * i].even = a[i].lo;
            b[2 * i].odd = a[i + LANES / 2].lo;
            b[2 * i + 1].even = a[i].hi;
            b[2 * i + 1].odd = a[i + LANES / 2].hi;
        }
#pragma unroll
        for (int i = 0; i < LANES; i++) a[i] = b[i];
    }
}

/* The first `count` numbers at p, 0 behind them; and their storing: LANES of them, or what
   is left of a row. Not vload and vstore: PoCL may make a call of every built-in. */
typedef vec loose_vec __attribute__((aligned(4)));

static inline vec load_first(NUMBERS_IN p, const size_t count) {
    if (count >= LANES) return *(__global const loose_vec *)p;
    vec v = ZERO;
    for (size_t i = 0; i < count; i++) ((float *)&v)[i] = p[i];
    return v;
}

static inline void store_first(const vec v, NUMBERS_OUT p, const size_t count) {
    if (count >= LANES)
        *(__global loose_vec *)p = v;
    else
        for (size_t i = 0; i < count; i++) p[i] = ((const float *)&v)[i];
}

/* Square roots, rounded correctly either way: by an instruction where clang offers it, as
   the built-in may be a call too. */
#if __has_builtin(__builtin_elementwise_sqrt)
#define ROOT(v) __builtin_elementwise_sqrt(v)
#elif defined(__AVX__) && LANES == 8 && __has_builtin(__builtin_ia32_sqrtps256)
#define ROOT(v) __builtin_ia32_sqrtps256(v)
#else
#define ROOT(v) sqrt(v)
#endif
