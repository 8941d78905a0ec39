// RAD: componentwise relativistic Adam.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in rad.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes rad.cuh
//
// Hamiltonian:
//   beta/(2*k)*sum(X**2*sqrt(ema(1, nu))/sqrt(delta**2*ema(G**2, nu) + zeta))   + (beta +
//       b)*c**2/k*L + h*gamma/k*(beta + b)*U
//
// Update derived from it:
//   X <- (-beta1**n + beta1)*X/(1 - beta1**n) + (1 - beta1)*G/(1 - beta1**n)
//   ema(G**2, nu) <- beta2*ema(G**2, nu) + G**2*(1 - beta2)
//   w <- w - lr*sqrt(1 - beta2**n)*X/sqrt(delta**2*ema(G**2, nu) + zeta)
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); default 0.001.
//   beta1: decay rate of the first moment. In [0, 1); default 0.9.
//   beta2: decay rate of the second moment. In [0, 1); default 0.999.
//   delta: how strongly the squared gradients are felt. In (0, inf); default 1.0.
//   zeta: added inside the root. In (0, inf); default 1e-16.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = beta/((b + beta)*exp(gamma*tau) - b) at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RAD_CUH
#define SYMPLECTIC_CODEGEN_RAD_CUH

#ifndef __CUDACC_RTC__
#include <cmath>
#endif

#ifndef SYMPLECTIC_INLINE
#ifdef __CUDACC__
#define SYMPLECTIC_INLINE __host__ __device__ __forceinline__
#else
#define SYMPLECTIC_INLINE inline
#endif
#endif

namespace symplectic::rad {

#ifndef __CUDACC_RTC__
using std::expm1;
using std::log;
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

// x**y - 1 for x >= 0, without cancellation for x near 1.
template <typename Real>
SYMPLECTIC_INLINE Real powm1(Real x, Real y) {
    return x > Real(0) ? expm1(y * log(x)) : pow(x, y) - Real(1);
}

struct Hyperparameters {
    double lr = 0.001;  // learning rate; in [0, inf)
    double beta1 = 0.9;  // decay rate of the first moment; in [0, 1)
    double beta2 = 0.999;  // decay rate of the second moment; in [0, 1)
    double delta = 1.0;  // how strongly the squared gradients are felt; in (0, inf)
    double zeta = 1e-16;  // added inside the root; in (0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real beta2;  // decay rate of the second moment
    Real zeta;  // added inside the root
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
    Real intake;  // what comes in
    Real rate;  // learning rate of the drift
    Real scale;  // scalar of the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    const double common = powm1(in.beta1, in.n);
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = in.beta1 * powm1(in.beta1, in.n - 1.0) / common;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = (in.beta1 - 1.0) / common;
    // what comes in
    const double intake = 1.0 - in.beta2;
    // learning rate of the drift
    const double rate = in.lr * sqrt(-powm1(in.beta2, in.n));
    // scalar of the step
    const double scale = power<2>(in.delta);
    return {
        static_cast<Real>(in.beta2),
        static_cast<Real>(in.zeta),
        static_cast<Real>(decay),
        static_cast<Real>(impulse),
        static_cast<Real>(intake),
        static_cast<Real>(rate),
        static_cast<Real>(scale)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, Real& M, const Coefficients<Real>& step) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real M_new = step.beta2 * M + step.intake * (G * G);
    const Real w_new = w - step.rate * X_new / sqrt(step.zeta + step.scale * M_new);
    M = M_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::rad

#ifndef __CUDACC_RTC__
// The C interface of rad.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct rad_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    void* M;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct rad_saved {
    unsigned long long steps;
};
struct rad_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int rad_init(
    rad_optimizer** made,
    const rad_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int rad_step(
    rad_optimizer* optimizer,
    const void* gradient,
    const symplectic::rad::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int rad_step_list(
    rad_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::rad::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int rad_save(rad_optimizer* optimizer, rad_saved* saved, void* stream);
// Goes on from what `save` gave.
int rad_restore(rad_optimizer* optimizer, const rad_saved* saved, void* stream);
void rad_free(rad_optimizer* optimizer);
// What a return code other than 0 means.
const char* rad_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": (
        "beta/(2*k)*sum(X**2*sqrt(ema(1, nu))/sqrt(delta**2*ema(G**2, nu) + zeta))\n  + (beta + "
        "b)*c**2/k*L + h*gamma/k*(beta + b)*U"
    ),
    "name": "rad",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "b01755b1539255bd86a6c25d3bdfa54cc911d06017bf1eabd0d6160d7bf634a6",
    "body_sha256": "0d85dbc3f1d9f2c3ac9309e153e20885aad916d4a4ec20735cae4a0455929137",
    "command": "symplectic-codegen generate --catalog rad --target cuda",
    "spec": {
        "format": 1,
        "title": "RAD: componentwise relativistic Adam",
        "description": (
            "The speed limit of each component follows from the memory of its squared gradients; "
            "ema(1, nu) =\n1 - exp(-nu*t) is the bias correction. At delta = 1 it is Adam with the "
            "small constant inside\nthe root.\n"
        ),
        "hyperparameters": [
            {
                "name": "beta0",
                "default": "0",
                "bounds": "[0, 0]",
                "meaning": "infinite temperature at the start",
            },
            {"name": "nu", "meaning": "relaxation rate of the metric"},
            {
                "name": "delta",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "how strongly the squared gradients are felt",
            },
            {
                "name": "zeta",
                "default": "1/10000000000000000",
                "bounds": "(0, oo)",
                "meaning": "added inside the root",
            },
            {
                "name": "b",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "shift of the thermal parameter",
            },
        ],
        "reparametrization": [
            {"name": "lr", "default": "1/1000", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "beta1",
                "default": "9/10",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the first moment",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "beta2",
                "default": "999/1000",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the second moment",
                "equals": "exp(-nu*tau)",
            },
            {
                "name": "gain",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            (
                "Y. Lyu et al., Conformal symplectic optimization for stable reinforcement "
                "learning (2024)"
            ),
        ],
    },
}
*/
