/* Philox 4x32-10 on LANES counters at once; the specification is engine/random.py.

   Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */

static inline void philox(uvec c[4], uint k0, uint k1) {
    for (int round = 0; round < 10; round++) {
        const uvec high0 = mul_hi(c[0], (uvec)0xD2511F53u);
        const uvec low0 = c[0] * 0xD2511F53u;
        const uvec high1 = mul_hi(c[2], (uvec)0xCD9E8D57u);
        const uvec low1 = c[2] * 0xCD9E8D57u;
        c[0] = high1 ^ c[1] ^ k0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ k1;
        c[3] = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}
