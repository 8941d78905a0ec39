// Underdamped Langevin dynamics.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in langevin.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes langevin.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- X + zeta*G
//   w <- w - lr*X/2
//   X <- sqrt(temperature)*sqrt(zeta)*sqrt(1 - momentum**2)*xi/sqrt(lr) + momentum*X
//   w <- w - lr*X/2
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//   temperature: temperature of the noise, in units of the loss. In [0, inf); default 0.0001.
//
// Proved: The pieces kick, cooling and drift of the step on (U, w, beta, X) are each exactly
// symplectic.
//
// Proved: On (w, X) the pieces kick, cooling and drift of the step are each conformally
// symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Noise under cooling keeps the bracket of w and X and breaks the Poisson tensor: noise:
// not Hamiltonian; for each realisation the bracket of w and X is kept, that of U and X is not.
//
// Proved: Order 1: the step agrees with the equations of motion in the mean through tau^1, not
// through tau^2.

#ifndef SYMPLECTIC_CODEGEN_LANGEVIN_CUH
#define SYMPLECTIC_CODEGEN_LANGEVIN_CUH

#ifndef __CUDACC_RTC__
#include <cmath>
#include <cstring>
#endif

#ifndef SYMPLECTIC_INLINE
#ifdef __CUDACC__
#define SYMPLECTIC_INLINE __host__ __device__ __forceinline__
#else
#define SYMPLECTIC_INLINE inline
#endif
#endif

namespace symplectic::langevin {

#ifndef __CUDACC_RTC__
using std::log;
using std::log1p;
using std::pow;
using std::sqrt;
#endif

// x multiplied by itself.
template <int exponent, typename Real>
SYMPLECTIC_INLINE Real power(Real x) {
    if constexpr (exponent < 0) {
        return Real(1) / power<-exponent>(x);
    } else if constexpr (exponent == 0) {
        return Real(1);
    } else if constexpr (exponent % 2 == 1) {
        return exponent == 1 ? x : x * power<exponent - 1>(x);
    } else {
        const Real half = power<exponent / 2>(x);
        return half * half;
    }
}

// Two random words for one element in one step: Philox4x32-10 with the counter (number of the
// element, number of the step) and the seed as its key.
struct Words {
    unsigned first, second;
};

SYMPLECTIC_INLINE Words philox(
    unsigned long long seed, unsigned long long step, unsigned long long element) {
    unsigned a = static_cast<unsigned>(element), b = static_cast<unsigned>(element >> 32);
    unsigned c = static_cast<unsigned>(step), d = static_cast<unsigned>(step >> 32);
    unsigned key = static_cast<unsigned>(seed), lock = static_cast<unsigned>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const unsigned long long p = 0xD2511F53ull * a, q = 0xCD9E8D57ull * c;
        a = static_cast<unsigned>(q >> 32) ^ b ^ key;
        b = static_cast<unsigned>(q);
        c = static_cast<unsigned>(p >> 32) ^ d ^ lock;
        d = static_cast<unsigned>(p);
        key += 0x9E3779B9u;
        lock += 0xBB67AE85u;
    }
    return {a, b};
}

// cos and sin of 2*pi*x, on the device without the reduction of large arguments.
SYMPLECTIC_INLINE double turn_cos(double x) {
#ifdef __CUDA_ARCH__
    return cospi(2.0 * x);
#else
    return std::cos(6.2831853071795864769 * x);
#endif
}

SYMPLECTIC_INLINE float turn_cos(float x) {
#ifdef __CUDA_ARCH__
    return cospif(2.0f * x);
#else
    return std::cos(6.2831853071795864769f * x);
#endif
}

SYMPLECTIC_INLINE float turn_sin(float x) {
#ifdef __CUDA_ARCH__
    return sinpif(2.0f * x);
#else
    return std::sin(6.2831853071795864769f * x);
#endif
}

// A standard normal number, by Box and Muller: sqrt(-2 log u) cos(2 pi v) with u = (a + 1/2)/2^32
// and v = (b + 1/2)/2^32. In float the distances to 1 and to quarters of a turn are taken from the
// words themselves, so that no digits cancel.
SYMPLECTIC_INLINE float normal(Words words, float) {
    const float scale = 2.3283064365386963e-10f;  // 2^-32
    const unsigned a = words.first, flipped = ~a;
    const float u = (static_cast<float>(a < flipped ? a : flipped) + 0.5f) * scale;
    const float radius = sqrt(-2.0f * (a < flipped ? log(u) : log1p(-u)));
    const unsigned b = words.second < ~words.second ? words.second : ~words.second;
    if (b < 0x20000000u) {
        return radius * turn_cos((static_cast<float>(b) + 0.5f) * scale);
    }
    if (b < 0x60000000u) {
        const int left = static_cast<int>(0x40000000u) - static_cast<int>(b);
        return radius * turn_sin((static_cast<float>(left) - 0.5f) * scale);
    }
    const int left = static_cast<int>(0x7fffffffu - b);
    return -radius * turn_cos((static_cast<float>(left) + 0.5f) * scale);
}

SYMPLECTIC_INLINE double normal(Words words, double) {
    const double scale = 2.3283064365386962890625e-10;  // 2^-32
    const double radius = sqrt(-2.0 * log((words.first + 0.5) * scale));
    return radius * turn_cos((words.second + 0.5) * scale);
}

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
    double zeta = 1.0;  // weight of a gradient in the momenta; in [0, inf)
    double temperature = 0.0001;  // temperature of the noise, in units of the loss; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real momentum;  // what one step leaves of the momenta
    Real zeta;  // weight of a gradient in the momenta
    Real rate;  // learning rate of the drift
    Real factor_;  // weight of the noise
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // learning rate of the drift
    const double rate = in.lr / 2.0;
    // weight of the noise
    const double part_1 = sqrt(1.0 - power<2>(in.momentum));
    const double factor_ = part_1 * sqrt(in.temperature) * sqrt(in.zeta) / sqrt(in.lr);
    return {
        static_cast<Real>(in.momentum),
        static_cast<Real>(in.zeta),
        static_cast<Real>(rate),
        static_cast<Real>(factor_)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, Real xi, const Coefficients<Real>& step) {
    const Real X_new = X + step.zeta * G;
    const Real w_new = w - step.rate * X_new;
    const Real X_new2 = step.factor_ * xi + step.momentum * X_new;
    const Real w_new2 = w_new - step.rate * X_new2;
    X = X_new2;
    w = w_new2;
}

}  // namespace symplectic::langevin

#ifndef __CUDACC_RTC__
// The C interface of langevin.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct langevin_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct langevin_saved {
    unsigned long long steps;
};
struct langevin_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int langevin_init(
    langevin_optimizer** made,
    const langevin_array* arrays,
    long long count,
    int type,
    unsigned long long seed,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int langevin_step(
    langevin_optimizer* optimizer,
    const void* gradient,
    const symplectic::langevin::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int langevin_step_list(
    langevin_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::langevin::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int langevin_save(langevin_optimizer* optimizer, langevin_saved* saved, void* stream);
// Goes on from what `save` gave.
int langevin_restore(langevin_optimizer* optimizer, const langevin_saved* saved, void* stream);
void langevin_free(langevin_optimizer* optimizer);
// What a return code other than 0 means.
const char* langevin_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "langevin",
    "target": "cuda",
    "dtype": "any",
    "integrator": "K B/2 C O B/2",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "76cb3702d07f45993972eb6d92289bd75cc395d9efb1295b55266ef81a1a4aa3",
    "body_sha256": "3cbc9a24aec2627d8d2c9878950a6efe6162c5c420eeca1582e0c43dd1949ea2",
    "command": "symplectic-codegen generate --catalog langevin --target cuda",
    "spec": {
        "noise": "sqrt(2*gamma*temperature*c**2)",
        "format": 1,
        "title": "Underdamped Langevin dynamics",
        "description": (
            "The order kick, drift, cooling with noise, drift (BAOAB without the second half of "
            "the kick):\ncooling and noise together are an Ornstein-Uhlenbeck process, sampled "
            "exactly.\n"
        ),
        "hyperparameters": [
            {
                "name": "temperature",
                "default": "1/10000",
                "meaning": "temperature of the noise, in units of the loss",
            },
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "momentum",
                "default": "9/10",
                "bounds": "[0, 1)",
                "meaning": "what one step leaves of the momenta",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "zeta",
                "default": "1",
                "meaning": "weight of a gradient in the momenta",
                "equals": "tau*c**2/h",
            },
        ],
        "references": [
            (
                "B. Leimkuhler, C. Matthews, Rational construction of stochastic numerical methods "
                "for molecular sampling (2013)"
            ),
        ],
    },
}
*/
