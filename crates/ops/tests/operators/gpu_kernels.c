// The words of CUDA, and for each kernel a function that runs it on a grid of blocks.

#include <math.h>
#include <string.h>
struct size { unsigned int x; };
static struct size blockIdx, blockDim, gridDim, threadIdx;
#define KERNEL static void
#define FUNCTION static
static unsigned int BITS_OF(float x) { unsigned int bits; memcpy(&bits, &x, 4); return bits; }
static float FLOAT_OF(unsigned int bits) { float x; memcpy(&x, &bits, 4); return x; }
#include "kernels.cu"
#define RUN(call)                                                                   \
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)                      \
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) call;
void set_grid(unsigned int blocks, unsigned int threads) { gridDim.x = blocks; blockDim.x = threads; }
void run_lerp(float *a, const float *b, float w, unsigned long long n) { RUN(lerp(a, b, w, n)) }
void run_lerp_square(float *a, const float *b, float w, unsigned long long n) { RUN(lerp_square(a, b, w, n)) }
void run_adam_step(float *w, const float *d, const float *v, float size, float scale, float epsilon,
                   unsigned long long n) { RUN(adam_step(w, d, v, size, scale, epsilon, n)) }
void run_bias_lrelu_f32(float *y, const float *x, const float *b, float s, unsigned long long c,
                        unsigned long long n) { RUN(bias_lrelu_f32(y, x, b, s, c, n)) }
void run_bias_lrelu_bf16(bf16 *y, const bf16 *x, const bf16 *b, float s, unsigned long long c,
                         unsigned long long n) { RUN(bias_lrelu_bf16(y, x, b, s, c, n)) }
void run_masked_f32(float *out, const float *g, const float *y, float s, unsigned long long n) {
    RUN(masked_f32(out, g, y, s, n))
}
void run_masked_bf16(bf16 *out, const bf16 *g, const bf16 *y, float s, unsigned long long n) {
    RUN(masked_bf16(out, g, y, s, n))
}
void run_rounded_bf16(bf16 *out, const float *x, unsigned long long n) {
    for (unsigned long long i = 0; i < n; i++) out[i] = rounded_bf16(x[i]);
}
