/* The activation functions: VALUE(x) = f(x) and SLOPE_OF(y) = f'(x) in terms of y = f(x).

   Formulas: engine/layers/activation.py. FUNCTION is compiled in; `slope` is the leaky
   ReLU's, a variable where the macros are used.

   Kernels that compute such a function's input, or the gradient of its output, take the
   function along in one pass: ACTIVATED(z) = f(z), and SLOPED(d, y) = f'(x) d. */

#if FUNCTION == 0 /* relu */
#define VALUE(x) (x <= ZERO ? ZERO : x) /* NaN stays NaN */
#define SLOPE_OF(y) (y > ZERO ? (vec)1.0f : ZERO)
#elif FUNCTION == 1 /* leaky_relu */
#define VALUE(x) (x > ZERO ? x : slope * x)
#define SLOPE_OF(y) (y > ZERO ? (vec)1.0f : (vec)slope)
#elif FUNCTION == 2 /* sigmoid */
#define VALUE(x) (1.0f / (1.0f + exp(-x)))
#define SLOPE_OF(y) (y * (1.0f - y))
#elif FUNCTION == 3 /* bipolar_sigmoid */
#define VALUE(x) tanh(0.5f * x)
#define SLOPE_OF(y) (0.5f * (1.0f - y * y))
#elif FUNCTION == 4 /* tanh */
#define VALUE(x) tanh(x)
#define SLOPE_OF(y) (1.0f - y * y)
#else /* identity */
#define VALUE(x) (x)
#define SLOPE_OF(y) ((vec)1.0f)
#endif

/* z − z is 0, or NaN for an infinity that the function would hide. */
#if FUNCTION == 5
#define ACTIVATED(z) (z)
#define SLOPED(d, y) (d)
#else
#define ACTIVATED(z) (VALUE(z) + (z - z))
#define SLOPED(d, y) (SLOPE_OF(y) * (d))
#endif
