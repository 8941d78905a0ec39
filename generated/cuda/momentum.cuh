// SGD with momentum.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in momentum.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes momentum.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + zeta*(1 - momentum)*G
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1]; default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_MOMENTUM_CUH
#define SYMPLECTIC_CODEGEN_MOMENTUM_CUH

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

namespace symplectic::momentum {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1]
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
    Real momentum;  // what one step leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = in.zeta * (1.0 - in.momentum);
    return {static_cast<Real>(in.lr), static_cast<Real>(in.momentum), static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.momentum * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::momentum

#ifndef __CUDACC_RTC__
// The C interface of momentum.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct momentum_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct momentum_saved {
    unsigned long long steps;
};
struct momentum_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int momentum_init(
    momentum_optimizer** made,
    const momentum_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int momentum_step(
    momentum_optimizer* optimizer,
    const void* gradient,
    const symplectic::momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int momentum_step_list(
    momentum_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int momentum_save(momentum_optimizer* optimizer, momentum_saved* saved, void* stream);
// Goes on from what `save` gave.
int momentum_restore(momentum_optimizer* optimizer, const momentum_saved* saved, void* stream);
void momentum_free(momentum_optimizer* optimizer);
// What a return code other than 0 means.
const char* momentum_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "momentum",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "595bc64a724411dc13e108fd2df9d6104513062c1ce56873804e52288fbf5c24",
    "body_sha256": "a5b53bf888b96fe6ae9f5c7c4c0440f27f4665c99036fba01970f6e55c3c7eeb",
    "command": "symplectic-codegen generate --catalog momentum --target cuda",
    "spec": {
        "format": 1,
        "title": "SGD with momentum",
        "description": (
            "Exponential cooling, beta(t) = beta0*exp(gamma*t): the momenta are an exponential "
            "moving average of\nthe gradients.\n"
        ),
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "momentum",
                "default": "9/10",
                "bounds": "[0, 1]",
                "meaning": "what one step leaves of the momenta",
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
            "E. Hermosis, Learning Dynamics (2025), section Application",
            "B. Polyak, Some methods of speeding up the convergence of iteration methods (1964)",
        ],
    },
}
*/
