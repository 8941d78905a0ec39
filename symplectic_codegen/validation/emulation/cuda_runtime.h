// Kernels on the host: what generated .cu files use of CUDA, for any C++17 compiler on POSIX.
//
// The threads of a block are fibers. One runs until it meets a barrier or a shuffle, then the next
// one does; blocks run one after the other. Threads of a block that wait at different barriers, or
// at a barrier that some of them never reach, end the program: on a device that is undefined.
// `emulation::settings` chooses the order of threads and blocks; results must not depend on it.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace emulation {

enum class Order { forward, backward, random };

struct Settings {
    Order order = Order::forward;
    unsigned seed = 1;
    int processors = 3;       // of the device
    int blocks_per_processor = 2;
    long long launches = 0;   // that were made
};
// Not inline: of inline variables the loader makes one for all libraries of a process.
static Settings settings;

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "emulation: %s\n", what);
    std::abort();
}

struct Fiber {
    ucontext_t context;  // where it starts
    jmp_buf place;       // where it goes on
    std::vector<char> stack;
    bool started = false;
    unsigned thread = 0;
    bool done = false;
    int waits_at = 0;        // line of the barrier; 0: it can go on
    bool in_shuffle = false;
    unsigned char slot[8] = {};  // what it shows the other lanes
};

struct Block {
    std::vector<std::unique_ptr<Fiber>> fibers;
    jmp_buf scheduler;
    Fiber* current = nullptr;
    dim3 index, size, grid;
    void (*entry)(void*) = nullptr;
    void* argument = nullptr;
};
static Block block;

constexpr std::size_t STACK = 64 * 1024;
constexpr unsigned LANES = 32;

// Contexts only start fibers, once for all launches; jumps between them need no system calls.
inline void yield() {
    if (_setjmp(block.current->place) == 0) {
        _longjmp(block.scheduler, 1);
    }
}

inline void resume(Fiber& fiber) {
    block.current = &fiber;
    if (_setjmp(block.scheduler) == 0) {
        if (fiber.started) {
            _longjmp(fiber.place, 1);
        }
        fiber.started = true;
        setcontext(&fiber.context);
    }
}

inline void run_fiber() {
    for (;;) {
        block.entry(block.argument);
        block.current->done = true;
        yield();
    }
}

inline std::unique_ptr<Fiber> make_fiber(unsigned thread) {
    auto fiber = std::make_unique<Fiber>();
    fiber->thread = thread;
    fiber->stack.resize(STACK);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack.data();
    fiber->context.uc_stack.ss_size = fiber->stack.size();
    fiber->context.uc_link = nullptr;
    makecontext(&fiber->context, run_fiber, 0);
    return fiber;
}

inline void barrier(int line) {
    block.current->waits_at = line;
    yield();
}

// Waits for the other lanes of the warp.
inline void meet_warp() {
    block.current->in_shuffle = true;
    yield();
}

template <typename T>
T shuffle_down(T value, unsigned distance) {
    static_assert(sizeof(T) <= sizeof(Fiber::slot));
    std::memcpy(block.current->slot, &value, sizeof value);
    meet_warp();
    const unsigned lane = block.current->thread % LANES;
    T other = value;
    if (lane + distance < LANES) {
        std::memcpy(&other, block.fibers[block.current->thread + distance]->slot, sizeof other);
    }
    meet_warp();
    return other;
}

inline std::vector<unsigned> ordered(unsigned count, std::mt19937& random) {
    std::vector<unsigned> order(count);
    std::iota(order.begin(), order.end(), 0u);
    if (settings.order == Order::backward) {
        std::reverse(order.begin(), order.end());
    } else if (settings.order == Order::random) {
        std::shuffle(order.begin(), order.end(), random);
    }
    return order;
}

// Lets those go on whose partners have all arrived; whether there were any.
inline bool release() {
    bool any = false;
    const unsigned count = static_cast<unsigned>(block.fibers.size());
    for (unsigned first = 0; first < count; first += LANES) {
        const unsigned last = std::min(first + LANES, count);
        unsigned inside = 0;
        for (unsigned k = first; k < last; ++k) {
            inside += block.fibers[k]->in_shuffle;
        }
        if (inside == last - first) {
            for (unsigned k = first; k < last; ++k) {
                block.fibers[k]->in_shuffle = false;
            }
            any = true;
        }
    }
    const int line = block.fibers[0]->waits_at;
    unsigned together = 0;
    for (const auto& fiber : block.fibers) {
        together += fiber->waits_at == line && line != 0;
    }
    if (together == count) {
        for (const auto& fiber : block.fibers) {
            fiber->waits_at = 0;
        }
        any = true;
    }
    return any;
}

inline void run_block(std::mt19937& random) {
    const unsigned count = block.size.x;
    while (block.fibers.size() < count) {
        block.fibers.push_back(make_fiber(static_cast<unsigned>(block.fibers.size())));
    }
    if (block.fibers.size() != count) {
        fail("all blocks of a program have the same number of threads");
    }
    for (const auto& fiber : block.fibers) {
        fiber->done = fiber->in_shuffle = false;
        fiber->waits_at = 0;
    }
    for (unsigned left = count; left > 0;) {
        bool moved = false;
        for (const unsigned k : ordered(count, random)) {
            Fiber& fiber = *block.fibers[k];
            if (fiber.done || fiber.waits_at != 0 || fiber.in_shuffle) {
                continue;
            }
            resume(fiber);
            moved = true;
            left -= fiber.done;
        }
        if (left > 0 && !moved && !release()) {
            fail("the threads of a block wait for each other at different places");
        }
    }
}

inline void run(void (*entry)(void*), void* argument, unsigned grid, unsigned threads) {
    std::mt19937 random(settings.seed);
    settings.launches += 1;
    block.entry = entry;
    block.argument = argument;
    block.size = dim3(threads);
    block.grid = dim3(grid);
    for (const unsigned k : ordered(grid, random)) {
        block.index = dim3(k);
        run_block(random);
    }
}

template <typename Argument>
struct Call {
    void (*kernel)(Argument);
    const Argument* argument;
    static void go(void* self) {
        const Call& call = *static_cast<Call*>(self);
        call.kernel(*call.argument);
    }
};

template <typename Argument>
void launch(void (*kernel)(Argument), unsigned grid, unsigned threads, const void* argument) {
    Call<Argument> call{kernel, static_cast<const Argument*>(argument)};
    run(Call<Argument>::go, &call, grid, threads);
}

}  // namespace emulation

#define threadIdx (dim3(::emulation::block.current->thread))
#define blockIdx (::emulation::block.index)
#define blockDim (::emulation::block.size)
#define gridDim (::emulation::block.grid)
#define __syncthreads() ::emulation::barrier(__LINE__)
#define __threadfence() (void)0
#define __shfl_down_sync(mask, value, distance) ::emulation::shuffle_down(value, distance)

inline unsigned atomicAdd(unsigned* place, unsigned value) {
    const unsigned old = *place;
    *place += value;
    return old;
}

// The runtime, as far as the C interface calls it. Memory of the device is memory of the host.
using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2 };
enum { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };
enum { cudaDevAttrMultiProcessorCount = 16 };

inline int cudaMalloc(void** memory, std::size_t size) {
    *memory = std::aligned_alloc(256, (size + 255) / 256 * 256);
    if (*memory != nullptr) {
        std::memset(*memory, 0xa5, size);
    }
    return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

inline int cudaFree(void* memory) {
    std::free(memory);
    return cudaSuccess;
}

inline int cudaMemsetAsync(void* memory, int value, std::size_t size, cudaStream_t) {
    std::memset(memory, value, size);
    return cudaSuccess;
}

inline int cudaMemcpyAsync(void* to, const void* from, std::size_t size, int, cudaStream_t) {
    std::memcpy(to, from, size);
    return cudaSuccess;
}

inline int cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

inline int cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}

inline int cudaDeviceGetAttribute(int* value, int, int) {
    *value = emulation::settings.processors;
    return cudaSuccess;
}

template <typename Argument>
int cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(Argument), int, int) {
    *blocks = emulation::settings.blocks_per_processor;
    return cudaSuccess;
}

template <typename Argument>
int cudaLaunchKernel(
    void (*kernel)(Argument), dim3 grid, dim3 threads, void** arguments, int, cudaStream_t) {
    emulation::launch(kernel, grid.x, threads.x, arguments[0]);
    return cudaSuccess;
}

inline const char* cudaGetErrorString(cudaError_t code) {
    return code == cudaSuccess ? "no error" : "an error of the emulation";
}
