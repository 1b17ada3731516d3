// Kernels for NVIDIA GPUs, compiled at run time. The tests compile the same text as C, with threads and blocks as
// loops, so that it keeps to the common part of both languages. bf16 is read and written as its 16 bits.

#ifndef KERNEL
#define KERNEL extern "C" __global__ void
#define FUNCTION static __device__ __forceinline__
#define BITS_OF(x) __float_as_uint(x)
#define FLOAT_OF(bits) __uint_as_float(bits)
#define LANES 32u
// The sum over the lanes of a warp, which all of them have.
static __device__ __forceinline__ float sum_of_lanes(float x) {
    for (int other = 16; other > 0; other /= 2) x += __shfl_xor_sync(0xffffffffu, x, other);
    return x;
}
#endif

// The elements of one thread.
#define FOR_EACH(i, n)                                                                     \
    for (unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x; \
         i < (n); i += gridDim.x * (unsigned long long)blockDim.x)

// The items of one warp, the same in all of its lanes. A block has whole warps.
#define FOR_EACH_OF_WARP(i, n)                                                                       \
    for (unsigned long long i = (blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x) / LANES; \
         i < (n); i += gridDim.x * (unsigned long long)blockDim.x / LANES)

// The elements of one lane.
#define FOR_EACH_OF_LANE(c, n) for (unsigned long long c = threadIdx.x % LANES; c < (n); c += LANES)

typedef unsigned short bf16;
typedef float f32;

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

// out = p · a + q · b
#define LINEAR_COMBINATION(T)                                                                       \
    KERNEL linear_combination_##T(T *out, const T *a, const T *b, float p, float q,                 \
                                  unsigned long long n) {                                           \
        FOR_EACH(i, n) out[i] = rounded_##T(p * wide_##T(a[i]) + q * wide_##T(b[i]));               \
    }

// out = factor · x
#define SCALE(T)                                                                                    \
    KERNEL scale_##T(T *out, const T *x, float factor, unsigned long long n) {                      \
        FOR_EACH(i, n) out[i] = rounded_##T(factor * wide_##T(x[i]));                               \
    }

// Each pixel as 2x2 pixels, times a factor. `width` is that of x.
#define REPEAT2(T)                                                                                  \
    KERNEL repeat2_##T(T *out, const T *x, float factor, unsigned long long width,                  \
                       unsigned long long channels, unsigned long long n) {                         \
        FOR_EACH(i, n) {                                                                            \
            unsigned long long pixel = i / channels, row = pixel / (2 * width);                     \
            unsigned long long from = row / 2 * width + pixel % (2 * width) / 2;                    \
            out[i] = rounded_##T(factor * wide_##T(x[from * channels + i % channels]));             \
        }                                                                                           \
    }

// The sum of 2x2 pixels, times a factor. `width` is that of x.
#define SUM2(T)                                                                                     \
    KERNEL sum2_##T(T *out, const T *x, float factor, unsigned long long width,                     \
                    unsigned long long channels, unsigned long long n) {                            \
        FOR_EACH(i, n) {                                                                            \
            unsigned long long pixel = i / channels, row = pixel / (width / 2);                     \
            unsigned long long from = 2 * row * width + pixel % (width / 2) * 2;                    \
            const T *above = x + from * channels + i % channels, *below = above + width * channels; \
            float sum = wide_##T(above[0]) + wide_##T(above[channels]) + wide_##T(below[0]) +       \
                        wide_##T(below[channels]);                                                  \
            out[i] = rounded_##T(factor * sum);                                                     \
        }                                                                                           \
    }

// Of a pixel: 1 / √(mean of squares + 1e-8)
#define RECIPROCAL_RMS(T)                                                                           \
    FUNCTION float reciprocal_rms_##T(const T *x, unsigned long long channels) {                    \
        float squares = 0.0f;                                                                       \
        FOR_EACH_OF_LANE(c, channels) squares += wide_##T(x[c]) * wide_##T(x[c]);                   \
        return 1.0f / sqrtf(sum_of_lanes(squares) / (float)channels + 1e-8f);                       \
    }

// y = r · x, with the reciprocal root mean square r of each pixel
#define PIXEL_NORM(T)                                                                               \
    KERNEL pixel_norm_##T(T *y, const T *x, unsigned long long channels, unsigned long long n) {    \
        FOR_EACH_OF_WARP(i, n) {                                                                    \
            const T *of = x + i * channels;                                                         \
            float r = reciprocal_rms_##T(of, channels);                                             \
            FOR_EACH_OF_LANE(c, channels) y[i * channels + c] = rounded_##T(r * wide_##T(of[c]));   \
        }                                                                                           \
    }

// dx = r · g - r³ · mean(x · g) · x
#define PIXEL_NORM_GRADIENT(T)                                                                      \
    KERNEL pixel_norm_gradient_##T(T *dx, const T *x, const T *g, unsigned long long channels,      \
                                   unsigned long long n) {                                          \
        FOR_EACH_OF_WARP(i, n) {                                                                    \
            const T *of = x + i * channels, *along = g + i * channels;                              \
            float r = reciprocal_rms_##T(of, channels), product = 0.0f;                             \
            FOR_EACH_OF_LANE(c, channels) product += wide_##T(of[c]) * wide_##T(along[c]);          \
            float factor = sum_of_lanes(product) / (float)channels * r * r * r;                     \
            FOR_EACH_OF_LANE(c, channels)                                                           \
                dx[i * channels + c] = rounded_##T(r * wide_##T(along[c]) - factor * wide_##T(of[c])); \
        }                                                                                           \
    }

// y = (1 + gamma) · r · x + beta. An image of `pixels` has gamma, then beta.
#define MODULATED_PIXEL_NORM(T)                                                                     \
    KERNEL modulated_pixel_norm_##T(T *y, const T *x, const float *affine,                          \
                                    unsigned long long channels, unsigned long long pixels,         \
                                    unsigned long long n) {                                         \
        FOR_EACH_OF_WARP(i, n) {                                                                    \
            const T *of = x + i * channels;                                                         \
            const float *gamma = affine + i / pixels * 2 * channels, *beta = gamma + channels;      \
            float r = reciprocal_rms_##T(of, channels);                                             \
            FOR_EACH_OF_LANE(c, channels) {                                                         \
                float normal = r * wide_##T(of[c]);                                                 \
                y[i * channels + c] = rounded_##T(gamma[c] * normal + (normal + beta[c]));          \
            }                                                                                       \
        }                                                                                           \
    }

// The gradient of x: that of pixel norm for (1 + gamma) · g.
#define MODULATED_PIXEL_NORM_GRADIENT(T)                                                            \
    KERNEL modulated_pixel_norm_gradient_##T(T *dx, const T *x, const float *affine, const T *g,    \
                                             unsigned long long channels,                           \
                                             unsigned long long pixels, unsigned long long n) {     \
        FOR_EACH_OF_WARP(i, n) {                                                                    \
            const T *of = x + i * channels, *along = g + i * channels;                              \
            const float *gamma = affine + i / pixels * 2 * channels;                                \
            float r = reciprocal_rms_##T(of, channels), product = 0.0f;                             \
            FOR_EACH_OF_LANE(c, channels)                                                           \
                product += wide_##T(of[c]) * (1.0f + gamma[c]) * wide_##T(along[c]);                \
            float factor = sum_of_lanes(product) / (float)channels * r * r * r;                     \
            FOR_EACH_OF_LANE(c, channels) {                                                         \
                float scaled = (1.0f + gamma[c]) * wide_##T(along[c]);                              \
                dx[i * channels + c] = rounded_##T(r * scaled - factor * wide_##T(of[c]));          \
            }                                                                                       \
        }                                                                                           \
    }

#define OF_TYPE(T)                    \
    BIAS_LRELU(T)                     \
    MASKED(T)                         \
    LINEAR_COMBINATION(T)             \
    SCALE(T)                          \
    REPEAT2(T)                        \
    SUM2(T)                           \
    RECIPROCAL_RMS(T)                 \
    PIXEL_NORM(T)                     \
    PIXEL_NORM_GRADIENT(T)            \
    MODULATED_PIXEL_NORM(T)           \
    MODULATED_PIXEL_NORM_GRADIENT(T)

OF_TYPE(f32)
OF_TYPE(bf16)
