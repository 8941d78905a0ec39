// Bias-corrected momentum.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in debiased_momentum.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes debiased_momentum.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + (beta + b)*c**2/k*L + h*gamma/k*(beta + b)*U
//
// Update derived from it:
//   X <- (-momentum**n + momentum)*X/(1 - momentum**n) + zeta*(1 - momentum)*G/(1 - momentum**n)
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: decay rate of the average. In [0, 1); default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = beta/((b + beta)*exp(gamma*tau) - b).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_DEBIASED_MOMENTUM_CUH
#define SYMPLECTIC_CODEGEN_DEBIASED_MOMENTUM_CUH

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

namespace symplectic::debiased_momentum {

#ifndef __CUDACC_RTC__
using std::expm1;
using std::log;
using std::pow;
#endif

// x**y - 1 for x >= 0, without cancellation for x near 1.
template <typename Real>
SYMPLECTIC_INLINE Real powm1(Real x, Real y) {
    return x > Real(0) ? expm1(y * log(x)) : pow(x, y) - Real(1);
}

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // decay rate of the average; in [0, 1)
    double zeta = 1.0;  // weight of the gradient average; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    const double common = powm1(in.momentum, in.n);
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = in.momentum * powm1(in.momentum, in.n - 1.0) / common;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = -in.zeta * (1.0 - in.momentum) / common;
    return {static_cast<Real>(in.lr), static_cast<Real>(decay), static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::debiased_momentum

#ifndef __CUDACC_RTC__
// The C interface of debiased_momentum.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct debiased_momentum_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct debiased_momentum_saved {
    unsigned long long steps;
};
struct debiased_momentum_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int debiased_momentum_init(
    debiased_momentum_optimizer** made,
    const debiased_momentum_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int debiased_momentum_step(
    debiased_momentum_optimizer* optimizer,
    const void* gradient,
    const symplectic::debiased_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int debiased_momentum_step_list(
    debiased_momentum_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::debiased_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int debiased_momentum_save(
    debiased_momentum_optimizer* optimizer,
    debiased_momentum_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int debiased_momentum_restore(
    debiased_momentum_optimizer* optimizer,
    const debiased_momentum_saved* saved,
    void* stream);
void debiased_momentum_free(debiased_momentum_optimizer* optimizer);
// What a return code other than 0 means.
const char* debiased_momentum_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + (beta + b)*c**2/k*L + h*gamma/k*(beta + b)*U",
    "name": "debiased_momentum",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "ceefd61c5c4642d7f5d06dd33ead00d59958a961e998b32e5ae1c03fa45fad06",
    "body_sha256": "6f8c9e2bcf82b6305f3fc48e518a61379e60ad58ad596bb2cab7e73f158ca80a",
    "command": "symplectic-codegen generate --catalog debiased_momentum --target cuda",
    "spec": {
        "format": 1,
        "title": "Bias-corrected momentum",
        "description": (
            "A profile that starts infinitely hot, beta(t) = b*(exp(gamma*t) - 1): the first "
            "gradient fills the\nmomenta completely, and what Adam calls the bias correction of "
            "the first moment is the cooling.\n"
        ),
        "hyperparameters": [
            {
                "name": "beta0",
                "default": "0",
                "bounds": "[0, 0]",
                "meaning": "infinite temperature at the start",
            },
            {
                "name": "b",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "shift of the thermal parameter",
            },
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "momentum",
                "default": "9/10",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the average",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "zeta",
                "default": "1",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            "D. Kingma, J. Ba, Adam: a method for stochastic optimization (2014), section 3",
            "E. Hermosis, Learning Dynamics (2025)",
        ],
    },
}
*/
