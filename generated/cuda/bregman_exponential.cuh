// Bregman dynamics of exponential rate.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in bregman_exponential.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes bregman_exponential.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*(beta/beta0)*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- sqrt(momentum)*X + zeta*momentum**(3/2 - n)*G
//   w <- w - lr*X
//   X <- sqrt(momentum)*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In (0, 1]; default 0.99.
//   zeta: weight of the first gradient in the momenta. In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_BREGMAN_EXPONENTIAL_CUH
#define SYMPLECTIC_CODEGEN_BREGMAN_EXPONENTIAL_CUH

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

namespace symplectic::bregman_exponential {

#ifndef __CUDACC_RTC__
using std::pow;
using std::sqrt;
#endif

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.99;  // what one step leaves of the momenta; in (0, 1]
    double zeta = 1.0;  // weight of the first gradient in the momenta; in (0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real decay;  // what a step leaves of X
    Real impulse;  // weight of the loss gradient
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // what a step leaves of X
    const double decay = sqrt(in.momentum);
    // weight of the loss gradient
    const double impulse = in.zeta / pow(in.momentum, in.n - 1.5);
    return {static_cast<Real>(in.lr), static_cast<Real>(decay), static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    const Real X_new2 = step.decay * X_new;
    X = X_new2;
    w = w_new;
}

}  // namespace symplectic::bregman_exponential

#ifndef __CUDACC_RTC__
// The C interface of bregman_exponential.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct bregman_exponential_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct bregman_exponential_saved {
    unsigned long long steps;
};
struct bregman_exponential_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int bregman_exponential_init(
    bregman_exponential_optimizer** made,
    const bregman_exponential_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int bregman_exponential_step(
    bregman_exponential_optimizer* optimizer,
    const void* gradient,
    const symplectic::bregman_exponential::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int bregman_exponential_step_list(
    bregman_exponential_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::bregman_exponential::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int bregman_exponential_save(
    bregman_exponential_optimizer* optimizer,
    bregman_exponential_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int bregman_exponential_restore(
    bregman_exponential_optimizer* optimizer,
    const bregman_exponential_saved* saved,
    void* stream);
void bregman_exponential_free(bregman_exponential_optimizer* optimizer);
// What a return code other than 0 means.
const char* bregman_exponential_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*(beta/beta0)*L + h*gamma/k*beta*U",
    "name": "bregman_exponential",
    "target": "cuda",
    "dtype": "any",
    "integrator": "K C/2 B C/2",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "37625512f7a6fbfdacc3cefbb73e1e9c9c544668d78f8e277a1b5044530b931f",
    "body_sha256": "df0b587b82c2176baf887d7fd50bd88f99998f35914eeb50bd0c8e9299b59840",
    "command": "symplectic-codegen generate --catalog bregman_exponential --target cuda",
    "spec": {
        "format": 1,
        "title": "Bregman dynamics of exponential rate",
        "description": (
            "Constant friction gamma, and a loss that counts as exp(gamma*t): the force grows "
            "without bound,\nand so does what an explicit step can not follow.\n"
        ),
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "momentum",
                "default": "99/100",
                "bounds": "(0, 1]",
                "meaning": "what one step leaves of the momenta",
                "equals": "exp(-gamma*tau)",
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
            (
                "V. Duruisseaux, M. Leok, Practical perspectives on symplectic accelerated "
                "optimization (2022)"
            ),
        ],
    },
}
*/
