// Bregman dynamics of polynomial rate.
//
// The kernels, and a C interface that is declared in bregman_polynomial.cuh. A step is one launch
// for a whole list of parameters of one type. As a library:
//
//   nvcc -std=c++17 -O3 -arch=native -shared -Xcompiler -fPIC bregman_polynomial.cu
//       -o libbregman_polynomial.so
//
// With --fmad=false no product is merged with a sum: results are then those of the same
// expressions in C. bregman_polynomial.py compiles this file by itself.

#include "bregman_polynomial.cuh"

#ifndef __CUDACC_RTC__
#include <cstdlib>
#include <cstring>

#include <cuda_runtime.h>
#endif

namespace symplectic::bregman_polynomial {

using Index = unsigned long long;

constexpr int THREADS = 256;  // of a block
constexpr int POINTERS = 448;  // addresses that one launch carries in its arguments

// Where the scalars of a launch come from: the arguments; from numbers on the device, by one thread
// of each block; or a row for each parameter.
enum Scalars { GIVEN, COMPUTED, LISTED };

// Numbers of 16 bits, in memory; they are computed with as float.
struct bfloat16 {
    unsigned short bits;
};

struct float16 {
    unsigned short bits;
};

template <typename W>
struct Computed {
    using Real = W;
};

template <>
struct Computed<bfloat16> {
    using Real = float;
};

template <>
struct Computed<float16> {
    using Real = float;
};

// How many blocks fit on a multiprocessor at least: with 4, a thread has 64 registers; with 3, 80.
template <typename W>
constexpr int BLOCKS = sizeof(W) == 4 ? 4 : 3;

SYMPLECTIC_INLINE unsigned bits_of(float x) {
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

SYMPLECTIC_INLINE float from_bits(unsigned bits) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

SYMPLECTIC_INLINE float widen(float x) { return x; }

SYMPLECTIC_INLINE double widen(double x) { return x; }

SYMPLECTIC_INLINE float widen(bfloat16 x) {
    return from_bits(static_cast<unsigned>(x.bits) << 16);
}

SYMPLECTIC_INLINE float widen(float16 x) {
#ifdef __CUDA_ARCH__
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
    return wide;
#else
    const unsigned sign = (x.bits & 0x8000u) << 16, rest = x.bits & 0x7fffu;
    if (rest >= 0x7c00u) {
        return from_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    }
    // The exponents differ by 112; the product is exact, for subnormal numbers too.
    return from_bits(sign | rest << 13) * from_bits((127u + 112u) << 23);
#endif
}

// To the nearest number, ties to even; NaN stays NaN.
template <typename W>
SYMPLECTIC_INLINE W narrow(typename Computed<W>::Real x) {
    return x;
}

template <>
SYMPLECTIC_INLINE bfloat16 narrow<bfloat16>(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    bfloat16 narrow;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(x));
    return narrow;
#else
    const unsigned bits = bits_of(x);
    const unsigned rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return {static_cast<unsigned short>(x == x ? rounded : 0x7fffu)};
#endif
}

template <>
SYMPLECTIC_INLINE float16 narrow<float16>(float x) {
#ifdef __CUDA_ARCH__
    float16 narrow;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(x));
    return narrow;
#else
    const unsigned bits = bits_of(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) {
        return {static_cast<unsigned short>(0x7fffu)};
    }
    unsigned rounded;
    if (size >= 0x47800000u) {
        rounded = 0x7c00u;  // 65536 and more
    } else if (size >= 0x38800000u) {
        rounded = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    } else {
        // Below 2^-14 the last place is 2^-24, which is that of float between 1/2 and 1.
        rounded = bits_of(from_bits(size) + 0.5f) - 0x3f000000u;
    }
    return {static_cast<unsigned short>(sign | rounded)};
#endif
}

// Neighbours in memory, 16 bytes of them in one access.
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) : 16) Pack {
    T value[N];
};

// The compiler cannot know where the addresses in a table lead to.
template <typename T>
SYMPLECTIC_INLINE void lies_in_global_memory(const T* place) {
#ifdef __CUDA_ARCH__
    __builtin_assume(__isGlobal(place));
#else
    (void)place;
#endif
}

template <int N, typename T>
SYMPLECTIC_INLINE Pack<T, N> load(const T* place) {
    lies_in_global_memory(place);
    return *reinterpret_cast<const Pack<T, N>*>(place);
}

template <int N, typename T>
SYMPLECTIC_INLINE void store(T* place, const Pack<T, N>& pack) {
    lies_in_global_memory(place);
    *reinterpret_cast<Pack<T, N>*>(place) = pack;
}

// One parameter with its state. The launcher packs it in the same way, and what follows too.
struct Array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;
    long long size;
    Index origin;  // how many elements the parameters before it have
    long long index;  // its place among all parameters
};

// What the device keeps between steps.
struct Control {
    Hyperparameters hyperparameters;  // of steps that are replayed
    Index steps;  // that were made
    unsigned arrived;  // blocks of the launch at work
    unsigned refused;  // steps outside the domain of the rule
};

template <typename Real>
struct Arguments {
    const Array* arrays;  // of one type, the largest first
    const long long* first_chunk;  // of each array, and the total
    const void* const* gradients;  // of all parameters; null: none
    long long count;  // of the arrays
    long long chunks;  // of all arrays
    long long chunk;  // elements of one
    long long parameters;  // of all types
    long long last_group;  // whether all other types are done
    const float* found_inf;  // not 0: the step is skipped
    const float* grad_scale;  // what gradients are divided by
    Control* control;
    const void* rows;  // the scalars of each parameter
    const Hyperparameters* hyperparameters_at;  // if not null, they are there
    Hyperparameters hyperparameters;
    Real factor;  // of all gradients
    Coefficients<Real> coefficients;
};

static_assert(sizeof(Array) == 48, "bregman_polynomial.py packs it so");
static_assert(sizeof(Control) == 48, "bregman_polynomial.py packs it so");
static_assert(sizeof(Arguments<float>) == 160, "bregman_polynomial.py packs it so");
static_assert(sizeof(Arguments<double>) == 176, "bregman_polynomial.py packs it so");

// Room for a value in shared memory, where nothing is constructed.
template <typename T>
struct Raw {
    alignas(T) unsigned char bytes[sizeof(T)];

    SYMPLECTIC_INLINE T& value() { return *reinterpret_cast<T*>(bytes); }
};

struct Gradients {
    const void** table;
    long long begin, count;
    const void* values[POINTERS];
};

// An array as typed memory. Positions are counted from an address that is a multiple of 16 bytes,
// `shift` elements before w; groups of N positions are read and written at once.
template <typename W>
struct View {
    using Real = typename Computed<W>::Real;
    static constexpr int N = 16 / sizeof(W);

    W* w;
    const W* G;
    float* master;
    Real* X;
    long long size;
    Index origin;
    int shift;

    SYMPLECTIC_INLINE View(const Array& array, const void* gradient)
        : w(static_cast<W*>(array.w)),
          G(static_cast<const W*>(gradient)),
          master(array.master),
          X(static_cast<Real*>(array.X)),
          size(array.size),
          origin(array.origin),
          shift(static_cast<int>(reinterpret_cast<Index>(array.w) / sizeof(W) % N)) {}

    // Whether the groups of an array lie at multiples of 16 bytes, as those of w do.
    template <typename T>
    SYMPLECTIC_INLINE bool fits(const T* array) const {
        return (reinterpret_cast<Index>(array) - shift * sizeof(T)) % 16 == 0;
    }
};

// The array that has chunk number k.
SYMPLECTIC_INLINE long long array_of(const long long* first_chunk, long long count, long long k) {
    long long low = 0, high = count;
    while (high - low > 1) {
        const long long middle = low + (high - low) / 2;
        (first_chunk[middle] <= k ? low : high) = middle;
    }
    return low;
}

// The scalars that a step starts from.
template <typename Real>
__device__ inline void gather(const Arguments<Real>& a, Inputs& in) {
    static_cast<Hyperparameters&>(in) =
        a.hyperparameters_at != nullptr ? *a.hyperparameters_at : a.hyperparameters;
    in.n = static_cast<double>(a.control->steps + 1);
}

// Whether this block is the last one of its launch to get here; then it sees what all have written.
template <typename Real>
__device__ inline bool arrives_last(const Arguments<Real>& a) {
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        last = atomicAdd(&a.control->arrived, 1u) == gridDim.x - 1;
        if (last) {
            a.control->arrived = 0;
            __threadfence();
        }
    }
    __syncthreads();
    return last;
}

// Elements i to i + N - 1.
template <int N, bool has_master, typename W>
SYMPLECTIC_INLINE void elements(
    const View<W>& at,
    long long i,
    typename Computed<W>::Real factor,
    const Coefficients<typename Computed<W>::Real>& step) {
    using Real = typename Computed<W>::Real;
    Pack<W, N> all_w;
    Pack<float, N> all_master;
    if constexpr (has_master) {
        all_master = load<N>(at.master + i);
    } else {
        all_w = load<N>(at.w + i);
    }
    const Pack<W, N> all_G = load<N>(at.G + i);
    Pack<Real, N> all_X = load<N>(at.X + i);
#pragma unroll
    for (int j = 0; j < N; ++j) {
        Real w;
        if constexpr (has_master) {
            w = all_master.value[j];
        } else {
            w = widen(all_w.value[j]);
        }
        const Real G = static_cast<Real>(widen(all_G.value[j])) * factor;
        update(w, G, all_X.value[j], step);
        all_w.value[j] = narrow<W>(w);
        if constexpr (has_master) {
            all_master.value[j] = w;
        }
    }
    store<N>(at.w + i, all_w);
    if constexpr (has_master) {
        store<N>(at.master + i, all_master);
    }
    store<N>(at.X + i, all_X);
}

// A step: blocks take chunks in turn.
template <typename W, bool has_master, Scalars scalars>
__global__ void __launch_bounds__(THREADS, BLOCKS<W>)
    step_kernel(const __grid_constant__ Arguments<typename Computed<W>::Real> a) {
    using Real = typename Computed<W>::Real;
    constexpr int N = View<W>::N;
    if (a.found_inf != nullptr && *a.found_inf != 0.0f) {
        return;
    }
    __shared__ Raw<Inputs> shared_inputs;
    [[maybe_unused]] Inputs& in = shared_inputs.value();
    Coefficients<Real> step;
    if constexpr (scalars == GIVEN) {
        step = a.coefficients;
    }
    if constexpr (scalars == COMPUTED) {
        if (threadIdx.x == 0) {
            gather(a, in);
        }
        __syncthreads();
        __shared__ Coefficients<Real> shared;
        if (threadIdx.x == 0) {
            shared = coefficients<Real>(in);
        }
        __syncthreads();
        step = shared;
    }
    const Real factor =
        a.grad_scale != nullptr ? a.factor / static_cast<Real>(*a.grad_scale) : a.factor;
    for (long long k = blockIdx.x; k < a.chunks; k += gridDim.x) {
        const long long t = array_of(a.first_chunk, a.count, k);
        const Array array = a.arrays[t];
        const void* gradient = a.gradients[array.index];
        if (gradient == nullptr) {
            continue;
        }
        const View<W> view(array, gradient);
        if constexpr (scalars == LISTED) {
            const Real* row = static_cast<const Real*>(a.rows) + array.index * 4;
            step = Coefficients<Real>{row[0], row[1], row[2], row[3]};
        }
        const long long begin = (k - a.first_chunk[t]) * a.chunk - view.shift;
        const long long end = begin + a.chunk < view.size ? begin + a.chunk : view.size;
        const bool aligned = view.fits(view.G)
            && view.fits(view.X)
            && (!has_master || view.fits(view.master));
        if (aligned) {
#pragma unroll 1
            for (long long i = begin + threadIdx.x * N; i < end; i += THREADS * N) {
                if (i >= 0 && i + N <= view.size) {
                    elements<N, has_master>(view, i, factor, step);
                    continue;
                }
#pragma unroll 1
                for (long long j = i; j < i + N; ++j) {
                    if (j >= 0 && j < view.size) {
                        elements<1, has_master>(view, j, factor, step);
                    }
                }
            }
        } else {
#pragma unroll 1
            for (long long j = begin + threadIdx.x; j < end; j += THREADS) {
                if (j >= 0) {
                    elements<1, has_master>(view, j, factor, step);
                }
            }
        }
    }
    if constexpr (scalars == COMPUTED) {
        if (!arrives_last(a)) {
            return;
        }
        if (a.last_group == 0) {
            return;
        }
        if (threadIdx.x == 0) {
            a.control->steps += 1;
            if (a.hyperparameters_at == nullptr) {
                a.control->hyperparameters = a.hyperparameters;
            }
        }
    }
}

// Puts addresses of gradients into the table.
__global__ void gradients_kernel(const __grid_constant__ Gradients gradients) {
    const long long k = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (k < gradients.count) {
        gradients.table[gradients.begin + k] = gradients.values[k];
    }
}

}  // namespace symplectic::bregman_polynomial

#if !defined(__CUDACC_RTC__) && !defined(SYMPLECTIC_KERNELS_ONLY)
struct bregman_polynomial_optimizer {
    long long count, chunks, chunk;
    int type, masters, on_device, blocks;
    char* memory;  // of the device; what follows lies in it
    symplectic::bregman_polynomial::Control* control;
    symplectic::bregman_polynomial::Array* arrays;
    long long* first_chunk;
    const void** table;
    const void** known;  // what the table holds, on the host
    bregman_polynomial_saved now;  // where the host counts
};

namespace symplectic::bregman_polynomial {

using Optimizer = bregman_polynomial_optimizer;

constexpr int INVALID = -1, REFUSED = -2, NO_MEMORY = -3;
constexpr Index SIZES[] = {4, 8, 2, 2};
constexpr long long CHUNK = 4096;         // elements that a block takes at a time, at least
constexpr long long MOST_CHUNKS = 65536;  // more elements make the chunks larger

template <typename Argument>
inline int launch(void (*kernel)(Argument), int blocks, Argument& argument, void* stream) {
    void* arguments[] = {&argument};
    return cudaLaunchKernel(
        kernel, dim3(blocks), dim3(THREADS), arguments, 0, static_cast<cudaStream_t>(stream));
}

// Writes the addresses of gradients that are new into the table.
inline int show_gradients(Optimizer& o, const void* const* gradients, void* stream) {
    if (memcmp(o.known, gradients, o.count * sizeof(void*)) == 0) {
        return 0;
    }
    Gradients some{};
    some.table = o.table;
    for (some.begin = 0; some.begin < o.count; some.begin += POINTERS) {
        const long long left = o.count - some.begin;
        some.count = left < POINTERS ? left : POINTERS;
        memcpy(some.values, gradients + some.begin, some.count * sizeof(void*));
        const int code = launch(gradients_kernel, (POINTERS + THREADS - 1) / THREADS, some, stream);
        if (code != 0) {
            return code;
        }
    }
    memcpy(o.known, gradients, o.count * sizeof(void*));
    return 0;
}

template <typename W, bool has_master>
inline int step_as(
    Optimizer& o,
    const Hyperparameters& hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream) {
    using Real = typename Computed<W>::Real;
    Arguments<Real> a{};
    a.arrays = o.arrays;
    a.first_chunk = o.first_chunk;
    a.gradients = o.table;
    a.count = a.parameters = o.count;
    a.chunks = o.chunks;
    a.chunk = o.chunk;
    a.last_group = 1;
    a.found_inf = found_inf;
    a.grad_scale = grad_scale;
    a.control = o.control;
    a.factor = Real(1);
    a.hyperparameters = hyperparameters;
    const int blocks = static_cast<int>(o.chunks < o.blocks ? o.chunks : o.blocks);
    if (o.on_device) {
        return launch(step_kernel<W, has_master, COMPUTED>, blocks > 0 ? blocks : 1, a, stream);
    }
    Inputs in{};
    static_cast<Hyperparameters&>(in) = hyperparameters;
    in.n = static_cast<double>(o.now.steps + 1);
    a.coefficients = coefficients<Real>(in);
    if (blocks > 0) {
        const int code = launch(step_kernel<W, has_master, GIVEN>, blocks, a, stream);
        if (code != 0) {
            return code;
        }
    }
    o.now.steps += 1;
    return 0;
}

// How many blocks can be at work at once.
template <typename Argument>
inline int blocks_for(void (*kernel)(Argument), int* blocks) {
    int device = 0, processors = 0, each = 0;
    int code = cudaGetDevice(&device);
    code = code != 0
               ? code
               : cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    code = code != 0
               ? code
               : cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, THREADS, 0);
    *blocks = processors * each;
    return code;
}

inline int clear(void* memory, Index bytes, cudaStream_t queue) {
    return bytes == 0 ? 0 : static_cast<int>(cudaMemsetAsync(memory, 0, bytes, queue));
}

inline Index place(Index& total, Index bytes) {
    const Index begin = total;
    total += (bytes + 255) / 256 * 256;
    return begin;
}

}  // namespace symplectic::bregman_polynomial

int bregman_polynomial_init(
    bregman_polynomial_optimizer** made,
    const bregman_polynomial_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream) {
    using namespace symplectic::bregman_polynomial;
    if (made == nullptr || arrays == nullptr || count < 1 || type < 0 || type > 3) {
        return INVALID;
    }
    Optimizer o{};
    o.count = count;
    o.type = type;
    o.on_device = on_device;
    const Index size = SIZES[type], group = 16 / size;
    const Index real = type == 1 ? 8 : 4;
    Array* rows = static_cast<Array*>(calloc(count, sizeof(Array)));
    long long* first = static_cast<long long*>(calloc(count + 1, sizeof(long long)));
    o.known = static_cast<const void**>(calloc(count, sizeof(void*)));
    Optimizer* copy = static_cast<Optimizer*>(malloc(sizeof o));
    int code = rows == nullptr || first == nullptr || o.known == nullptr || copy == nullptr
                   ? NO_MEMORY
                   : 0;
    long long elements = 0;
    for (long long k = 0; k < count && code == 0; ++k) {
        const bregman_polynomial_array& given = arrays[k];
        const bool right = given.size >= 0 && reinterpret_cast<Index>(given.w) % size == 0 &&
                           (given.master == nullptr || type > 1) &&
                           (given.master != nullptr) == (arrays[0].master != nullptr);
        if (!right) {
            code = INVALID;
            break;
        }
        Array row{};
        row.w = given.w;
        row.master = given.master;
        row.X = given.X;
        row.size = given.size;
        row.origin = static_cast<Index>(elements);
        row.index = k;
        elements += given.size;
        // The largest first, those of one size in their order.
        long long at = k;
        for (; at > 0 && rows[at - 1].size < row.size; --at) {
            rows[at] = rows[at - 1];
        }
        rows[at] = row;
    }
    o.masters = code == 0 && arrays[0].master != nullptr;
    for (o.chunk = CHUNK; elements / o.chunk > MOST_CHUNKS; o.chunk *= 2) {
    }
    for (long long k = 0; k < count && code == 0; ++k) {
        const Index shift = reinterpret_cast<Index>(rows[k].w) / size % group;
        const long long positions =
            rows[k].size == 0 ? 0 : rows[k].size + static_cast<long long>(shift);
        first[k + 1] = first[k] + (positions + o.chunk - 1) / o.chunk;
    }
    if (code == 0) {
        o.chunks = first[count];
        Index total = 0;
        const Index control = place(total, sizeof(Control));
        const Index table = place(total, count * sizeof(Array));
        const Index chunks = place(total, (count + 1) * sizeof(long long));
        const Index gradients = place(total, count * sizeof(void*));
        void* memory = nullptr;
        code = cudaMalloc(&memory, total);
        o.memory = static_cast<char*>(memory);
        o.control = reinterpret_cast<Control*>(o.memory + control);
        o.arrays = reinterpret_cast<Array*>(o.memory + table);
        o.first_chunk = reinterpret_cast<long long*>(o.memory + chunks);
        o.table = reinterpret_cast<const void**>(o.memory + gradients);
        const cudaStream_t queue = static_cast<cudaStream_t>(stream);
        code = code != 0 ? code : cudaMemsetAsync(o.memory, 0, total, queue);
        code = code != 0 ? code
                         : cudaMemcpyAsync(o.arrays, rows, count * sizeof(Array),
                                           cudaMemcpyHostToDevice, queue);
        code = code != 0 ? code
                         : cudaMemcpyAsync(o.first_chunk, first, (count + 1) * sizeof(long long),
                                           cudaMemcpyHostToDevice, queue);
        for (long long k = 0; k < count; ++k) {
            const Index bytes = arrays[k].size * real;
            code = code != 0 ? code : clear(arrays[k].X, bytes, queue);
        }
        code = code != 0 ? code : cudaStreamSynchronize(queue);
        code = code != 0 ? code : blocks_for(step_kernel<
                                                 float, false, COMPUTED>,
                                             &o.blocks);
    }
    free(rows);
    free(first);
    if (code != 0) {
        cudaFree(o.memory);
        free(o.known);
        free(copy);
        return code;
    }
    *copy = o;
    *made = copy;
    return 0;
}

int bregman_polynomial_step_list(
    bregman_polynomial_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::bregman_polynomial::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream) {
    using namespace symplectic::bregman_polynomial;
    if (optimizer == nullptr || gradients == nullptr || hyperparameters == nullptr) {
        return INVALID;
    }
    Optimizer& o = *optimizer;
    if (found_inf != nullptr && !o.on_device) {
        return INVALID;  // only the device could know how many steps were made
    }
    const int code = show_gradients(o, gradients, stream);
    if (code != 0) {
        return code;
    }
    if (o.type == 0) {
        return step_as<float, false>(o, *hyperparameters, grad_scale, found_inf, stream);
    }
    if (o.type == 1) {
        return step_as<double, false>(o, *hyperparameters, grad_scale, found_inf, stream);
    }
    if (o.type == 2) {
        if (o.masters) {
            return step_as<bfloat16, true>(o, *hyperparameters, grad_scale, found_inf, stream);
        }
        return step_as<bfloat16, false>(o, *hyperparameters, grad_scale, found_inf, stream);
    }
    if (o.type == 3) {
        if (o.masters) {
            return step_as<float16, true>(o, *hyperparameters, grad_scale, found_inf, stream);
        }
        return step_as<float16, false>(o, *hyperparameters, grad_scale, found_inf, stream);
    }
    return INVALID;
}

int bregman_polynomial_step(
    bregman_polynomial_optimizer* optimizer,
    const void* gradient,
    const symplectic::bregman_polynomial::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream) {
    if (optimizer == nullptr || optimizer->count != 1) {
        return symplectic::bregman_polynomial::INVALID;
    }
    return bregman_polynomial_step_list(
        optimizer,
        &gradient,
        hyperparameters,
        grad_scale,
        found_inf,
        stream);
}

int bregman_polynomial_save(
    bregman_polynomial_optimizer* optimizer,
    bregman_polynomial_saved* saved,
    void* stream) {
    const cudaStream_t queue = static_cast<cudaStream_t>(stream);
    *saved = optimizer->now;
    int code = 0;
    if (optimizer->on_device) {
        code = cudaMemcpyAsync(&saved->steps, &optimizer->control->steps, sizeof saved->steps,
                               cudaMemcpyDeviceToHost, queue);
    }
    return code != 0 ? code : static_cast<int>(cudaStreamSynchronize(queue));
}

int bregman_polynomial_restore(
    bregman_polynomial_optimizer* optimizer,
    const bregman_polynomial_saved* saved,
    void* stream) {
    const cudaStream_t queue = static_cast<cudaStream_t>(stream);
    optimizer->now = *saved;
    int code = cudaMemcpyAsync(&optimizer->control->steps, &saved->steps, sizeof saved->steps,
                               cudaMemcpyHostToDevice, queue);
    return code != 0 ? code : static_cast<int>(cudaStreamSynchronize(queue));
}

void bregman_polynomial_free(bregman_polynomial_optimizer* optimizer) {
    if (optimizer != nullptr) {
        cudaFree(optimizer->memory);
        free(optimizer->known);
        free(optimizer);
    }
}

const char* bregman_polynomial_message(int code) {
    using namespace symplectic::bregman_polynomial;
    return code == INVALID     ? "an argument is not what it must be"
           : code == REFUSED   ? "the step lies outside the domain of the rule"
           : code == NO_MEMORY ? "the host has no memory"
                               : cudaGetErrorString(static_cast<cudaError_t>(code));
}
#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": (
        "beta/(2*k)*dot(X, X) + beta*c**2/k*(beta/beta0)**((p - 2)/(p + 1))*L\n  + (p + "
        "1)*h/(k*t0)*beta0**(1/(p + 1))*beta**(p/(p + 1))*U"
    ),
    "name": "bregman_polynomial",
    "target": "cuda",
    "dtype": "any",
    "integrator": "K C/2 B C/2",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "b248a2f481f673a5d1c305f673061a5e28d2533d35051009469d97e663763c04",
    "body_sha256": "2046d14b7da6bc906a4d6a16a69a3ce109ae2c12d953fdeeac5970e898fbdb6d",
    "command": "symplectic-codegen generate --catalog bregman_polynomial --target cuda",
    "spec": {
        "format": 1,
        "title": "Bregman dynamics of polynomial rate",
        "description": (
            "Friction (p + 1)/(t + t0) and a loss that counts as (t + t0)^(p - 2): the rate is "
            "O(1/t^p). p =\n2 is Nesterov's law. The leapfrog of the clock: a kick, and a drift at "
            "the temperature of the\nmiddle of the step.\n"
        ),
        "hyperparameters": [
            {"name": "p", "default": "3", "bounds": "[1, 10]", "meaning": "order of the rate"},
            {"name": "t0", "bounds": "(0, oo)", "meaning": "time at which cooling sets in"},
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "offset",
                "default": "1",
                "bounds": "[1, oo)",
                "meaning": "steps before cooling sets in",
                "equals": "t0/tau",
            },
            {
                "name": "zeta",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "weight of the first gradient in the momenta",
                "equals": "tau*c**2/h",
            },
        ],
        "references": [
            (
                "A. Wibisono, A. Wilson, M. Jordan, A variational perspective on accelerated "
                "methods (2016)"
            ),
            "M. Betancourt, M. Jordan, A. Wilson, On symplectic optimization (2018)",
            (
                "V. Duruisseaux, M. Leok, Practical perspectives on symplectic accelerated "
                "optimization (2022)"
            ),
        ],
    },
}
*/
