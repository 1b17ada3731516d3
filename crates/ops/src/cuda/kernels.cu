// Kernels for NVIDIA GPUs, compiled at run time. The tests compile the same text as C, with threads and blocks as
// loops, so that it keeps to the common part of both languages. bf16 is read and written as its 16 bits.

#ifndef KERNEL
#define KERNEL extern "C" __global__ void
#define FUNCTION static __device__ __forceinline__
#define BITS_OF(x) __float_as_uint(x)
#define FLOAT_OF(bits) __uint_as_float(bits)
#endif

// The elements of one thread.
#define FOR_EACH(i, n)                                                                     \
    for (unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x; \
         i < (n); i += gridDim.x * (unsigned long long)blockDim.x)

typedef unsigned short bf16;

FUNCTION float wide_f32(float x) { return x; }
FUNCTION float rounded_f32(float x) { return x; }
FUNCTION float wide_bf16(bf16 x) { return FLOAT_OF((unsigned int)x << 16); }

// To the nearest, ties to even; not a number stays one.
FUNCTION bf16 rounded_bf16(float x) {
    unsigned int bits = BITS_OF(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bf16)(bits >> 16 | 0x40u);
    return (bf16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// a += weight (b - a)
KERNEL lerp(float *a, const float *b, float weight, unsigned long long n) {
    FOR_EACH(i, n) a[i] += weight * (b[i] - a[i]);
}

// a += weight (b² - a)
KERNEL lerp_square(float *a, const float *b, float weight, unsigned long long n) {
    FOR_EACH(i, n) a[i] += weight * (b[i] * b[i] - a[i]);
}

// w -= size · d / (√(scale · v) + epsilon)
KERNEL adam_step(float *w, const float *d, const float *v, float size, float scale, float epsilon,
                 unsigned long long n) {
    FOR_EACH(i, n) w[i] -= size * d[i] / (sqrtf(scale * v[i]) + epsilon);
}

// y = lrelu(x + bias), with `channels` numbers of the bias for each pixel
#define BIAS_LRELU(T)                                                                                  \
    KERNEL bias_lrelu_##T(T *y, const T *x, const T *bias, float slope, unsigned long long channels, \
                          unsigned long long n) {                                                      \
        FOR_EACH(i, n) {                                                                               \
            float sum = wide_##T(x[i]) + wide_##T(bias[i % channels]);                               \
            y[i] = rounded_##T(sum > 0.0f ? sum : slope * sum);                                        \
        }                                                                                              \
    }

// out = g where y is positive, slope · g elsewhere
#define MASKED(T)                                                                                  \
    KERNEL masked_##T(T *out, const T *g, const T *y, float slope, unsigned long long n) {         \
        FOR_EACH(i, n) out[i] = wide_##T(y[i]) > 0.0f ? g[i] : rounded_##T(slope * wide_##T(g[i])); \
    }

typedef float f32;

BIAS_LRELU(f32)
BIAS_LRELU(bf16)
MASKED(f32)
MASKED(bf16)
