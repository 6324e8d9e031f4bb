/* Softmax over the channels at each place, and its derivative.

   Formulas: engine/layers/activation.py. x, y (n, channels, places) as in common.cl. One
   work-item: one place of a block of samples, over its channels in order. */

#define BEGIN                                                    \
    const size_t id = get_global_id(0);                          \
    const size_t first = id / places * channels * places + id % places;
/* Where the channels of the place stand. */
#define CHANNELS (size_t i = first; i < first + channels * places; i += places)

KERNEL softmax_forward(IN x, OUT y, const uint channels, const uint places) {
    BEGIN
    vec m = x[first];
    for CHANNELS m = m > x[i] ? m : x[i];
    vec total = ZERO;
    for CHANNELS {
        const vec e = exp(x[i] - m);
        total += e;
        y[i] = e;
    }
    /* x - x is 0, or NaN for an infinity that would be hidden. */
    for CHANNELS y[i] = y[i] / total + (x[i] - x[i]);
}

KERNEL softmax_backward(IN y, IN dy, OUT dx, const uint channels, const uint places) {
    BEGIN
    vec sum = ZERO;
    for CHANNELS sum += y[i] * dy[i];
    for CHANNELS dx[i] = y[i] * (dy[i] - sum);
}
