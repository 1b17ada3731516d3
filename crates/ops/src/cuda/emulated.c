// The words of CUDA in C, and for each kernel a function that runs it on a grid of blocks. Arguments come as pointers
// to them, as the driver takes them. A warp has one lane.

#include <math.h>
#include <string.h>

typedef unsigned long long u64;
struct size { unsigned int x; };
static struct size blockIdx, blockDim, gridDim, threadIdx;
#define KERNEL static void
#define FUNCTION static
#define LANES 1u
static float sum_of_lanes(float x) { return x; }
static unsigned int BITS_OF(float x) { unsigned int bits; memcpy(&bits, &x, 4); return bits; }
static float FLOAT_OF(unsigned int bits) { float x; memcpy(&x, &bits, 4); return x; }
#include "kernels.cu"

void set_grid(unsigned int blocks, unsigned int threads) { gridDim.x = blocks; blockDim.x = threads; }

#define A(at, T) (*(T *)arguments[at])
#define RUN(kernel, ...)                                                                      \
    void run_##kernel(void **arguments) {                                                     \
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)                            \
            for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) kernel(__VA_ARGS__); \
    }
#define RUN_OF_TYPE(T)                                                                                             \
    RUN(bias_lrelu_##T, A(0, T *), A(1, T *), A(2, T *), A(3, float), A(4, u64), A(5, u64))                        \
    RUN(masked_##T, A(0, T *), A(1, T *), A(2, T *), A(3, float), A(4, u64))                                       \
    RUN(linear_combination_##T, A(0, T *), A(1, T *), A(2, T *), A(3, float), A(4, float), A(5, u64))              \
    RUN(scale_##T, A(0, T *), A(1, T *), A(2, float), A(3, u64))                                                   \
    RUN(repeat2_##T, A(0, T *), A(1, T *), A(2, float), A(3, u64), A(4, u64), A(5, u64))                           \
    RUN(sum2_##T, A(0, T *), A(1, T *), A(2, float), A(3, u64), A(4, u64), A(5, u64))                              \
    RUN(pixel_norm_##T, A(0, T *), A(1, T *), A(2, u64), A(3, u64))                                                \
    RUN(pixel_norm_gradient_##T, A(0, T *), A(1, T *), A(2, T *), A(3, u64), A(4, u64))                            \
    RUN(modulated_pixel_norm_##T, A(0, T *), A(1, T *), A(2, float *), A(3, u64), A(4, u64), A(5, u64))            \
    RUN(modulated_pixel_norm_gradient_##T, A(0, T *), A(1, T *), A(2, float *), A(3, T *), A(4, u64), A(5, u64),   \
        A(6, u64))

RUN(lerp, A(0, float *), A(1, float *), A(2, float), A(3, u64))
RUN(lerp_square, A(0, float *), A(1, float *), A(2, float), A(3, u64))
RUN(adam_step, A(0, float *), A(1, float *), A(2, float *), A(3, float), A(4, float), A(5, float), A(6, u64))
RUN_OF_TYPE(f32)
RUN_OF_TYPE(bf16)

void run_rounded_bf16(void **arguments) {
    bf16 *out = A(0, bf16 *);
    float *x = A(1, float *);
    for (u64 i = 0; i < A(2, u64); i++) out[i] = rounded_bf16(x[i]);
}
