/* Philox 4x32-10 on LANES counters at once; the specification is engine/random.py.

   Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */

#if LANES == 16
typedef ulong8 uwide;
#define AS_WIDE as_ulong8
#else
typedef ulong4 uwide;
#define AS_WIDE as_ulong4
#endif
#define AS_WORDS JOIN(as_uint, LANES)

/* The upper and lower words of a · b. Two lanes are one 64-bit number, and of its two
   words the lower is the one that processors multiply: the even lanes, then the odd. */
static inline void multiply_words(uvec a, const uint b, uvec *high, uvec *low) {
    const uwide lower = (uwide)0xFFFFFFFFul;
    const uwide even = (AS_WIDE(a) & lower) * (uwide)b;
    const uwide odd = (AS_WIDE(a) >> 32) * (uwide)b;
    *high = AS_WORDS((even >> 32) | (odd & ~lower));
    *low = AS_WORDS((even & lower) | (odd << 32));
}

static inline void philox(uvec c[4], uint k0, uint k1) {
    for (int round = 0; round < 10; round++) {
        uvec high0, low0, high1, low1;
        multiply_words(c[0], 0xD2511F53u, &high0, &low0);
        multiply_words(c[2], 0xCD9E8D57u, &high1, &low1);
        c[0] = high1 ^ c[1] ^ k0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ k1;
        c[3] = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}
