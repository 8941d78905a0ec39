// Stochastic gradient Hamiltonian Monte Carlo.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in sghmc.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes sghmc.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- sqrt(2)*sqrt(friction)*sqrt(temperature)*sqrt(zeta)*xi/sqrt(lr) + (1 - friction)*X +
//       zeta*G
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   friction: friction over a step. In [0, 1]; default 0.1.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//   temperature: temperature of the noise, in units of the loss. In [0, inf); default 0.0001.
//
// Proved: The pieces kick, cooling (explicit map) and drift of the step on (U, w, beta, X) are
// each exactly symplectic.
//
// Proved: On (w, X) the pieces kick, cooling (explicit map) and drift of the step are each
// conformally symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t).
//
// Proved: Cooling (explicit map): the explicit map of cooling: symplectic, not the exact flow.
//
// Proved: Noise keeps the bracket of w and X and breaks the Poisson tensor: noise: not
// Hamiltonian; for each realisation the bracket of w and X is kept, that of U and X is not.
//
// Proved: Order 1: the step agrees with the equations of motion in the mean through tau^1, not
// through tau^2.

#ifndef SYMPLECTIC_CODEGEN_SGHMC_CUH
#define SYMPLECTIC_CODEGEN_SGHMC_CUH

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

namespace symplectic::sghmc {

#ifndef __CUDACC_RTC__
using std::log;
using std::log1p;
using std::sqrt;
#endif

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
    double friction = 0.1;  // friction over a step; in [0, 1]
    double zeta = 1.0;  // weight of a gradient in the momenta; in [0, inf)
    double temperature = 0.0001;  // temperature of the noise, in units of the loss; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// Whether the step is inside the domain of the rule:
// the step is too long for the explicit cooling map: beta would change its sign
SYMPLECTIC_INLINE bool admissible(const Inputs& in) {
    const double positive = 1.0 - in.friction;
    return positive > 0.0;
}

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real zeta;  // weight of a gradient in the momenta
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real factor_;  // scalar of the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = 1.0 - in.friction;
    // scalar of the step
    const double part_1 = sqrt(2.0) * sqrt(in.friction) * sqrt(in.temperature);
    const double factor_ = part_1 * sqrt(in.zeta) / sqrt(in.lr);
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(in.zeta),
        static_cast<Real>(decay),
        static_cast<Real>(factor_)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, Real xi, const Coefficients<Real>& step) {
    const Real X_new = step.factor_ * xi + step.decay * X + step.zeta * G;
    const Real w_new = w - step.lr * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::sghmc

#ifndef __CUDACC_RTC__
// The C interface of sghmc.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct sghmc_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct sghmc_saved {
    unsigned long long steps;
};
struct sghmc_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int sghmc_init(
    sghmc_optimizer** made,
    const sghmc_array* arrays,
    long long count,
    int type,
    unsigned long long seed,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int sghmc_step(
    sghmc_optimizer* optimizer,
    const void* gradient,
    const symplectic::sghmc::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int sghmc_step_list(
    sghmc_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::sghmc::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int sghmc_save(sghmc_optimizer* optimizer, sghmc_saved* saved, void* stream);
// Goes on from what `save` gave.
int sghmc_restore(sghmc_optimizer* optimizer, const sghmc_saved* saved, void* stream);
void sghmc_free(sghmc_optimizer* optimizer);
// What a return code other than 0 means.
const char* sghmc_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "sghmc",
    "target": "cuda",
    "dtype": "any",
    "integrator": "C K N B",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "f942be80c3fb8aa66d35fde19ee541b78cf23f48c8471bf1691ca98ec6f440b8",
    "body_sha256": "383349f1889fb9ca25289995b30a289ab9f5abed65a61091e16eb8395ebaa33b",
    "command": "symplectic-codegen generate --catalog sghmc --target cuda",
    "spec": {
        "noise": "sqrt(2*gamma*temperature*c**2)",
        "cooling": "explicit",
        "format": 1,
        "title": "Stochastic gradient Hamiltonian Monte Carlo",
        "description": (
            "Momentum with explicit cooling 1 - friction and Gaussian noise of the "
            "variance\n2*gamma*temperature*tau on the momenta.\n"
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
                "name": "friction",
                "default": "1/10",
                "bounds": "[0, 1]",
                "meaning": "friction over a step",
                "equals": "gamma*tau",
            },
            {
                "name": "zeta",
                "default": "1",
                "meaning": "weight of a gradient in the momenta",
                "equals": "c**2*tau/h",
            },
        ],
        "references": [
            "T. Chen, E. Fox, C. Guestrin, Stochastic gradient Hamiltonian Monte Carlo (2014)",
        ],
    },
}
*/
