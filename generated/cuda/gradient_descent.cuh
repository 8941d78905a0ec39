// Gradient descent, the overdamped limit.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in gradient_descent.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes gradient_descent.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- G
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//
// Proved: Before the limit momentum -> 0: the step on (U, w, beta, X) is exactly symplectic.
//
// Proved: Before the limit momentum -> 0: on (w, X) the step is conformally symplectic: sum of
// dX^dw is multiplied by beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Before the limit momentum -> 0: order 1: the step agrees with the equations of motion
// through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_GRADIENT_DESCENT_CUH
#define SYMPLECTIC_CODEGEN_GRADIENT_DESCENT_CUH

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

namespace symplectic::gradient_descent {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    return {static_cast<Real>(in.lr)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, const Coefficients<Real>& step) {
    const Real X_new = G;
    const Real w_new = w - step.lr * X_new;
    w = w_new;
}

}  // namespace symplectic::gradient_descent

#ifndef __CUDACC_RTC__
// The C interface of gradient_descent.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct gradient_descent_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    long long size;
};
struct gradient_descent_saved {
    unsigned long long steps;
};
struct gradient_descent_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int gradient_descent_init(
    gradient_descent_optimizer** made,
    const gradient_descent_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int gradient_descent_step(
    gradient_descent_optimizer* optimizer,
    const void* gradient,
    const symplectic::gradient_descent::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int gradient_descent_step_list(
    gradient_descent_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::gradient_descent::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int gradient_descent_save(
    gradient_descent_optimizer* optimizer,
    gradient_descent_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int gradient_descent_restore(
    gradient_descent_optimizer* optimizer,
    const gradient_descent_saved* saved,
    void* stream);
void gradient_descent_free(gradient_descent_optimizer* optimizer);
// What a return code other than 0 means.
const char* gradient_descent_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "gradient_descent",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "b4e4c53112b3f0248f640a8bf234597ae3ea6b550d122ff807076e5cf45e8ff8",
    "body_sha256": "16d2e3a4cfe66a08105704e802ffe8eff0898bfc342bbdf8b55b9586c0d12f23",
    "command": "symplectic-codegen generate --catalog gradient_descent --target cuda",
    "spec": {
        "format": 1,
        "title": "Gradient descent, the overdamped limit",
        "description": (
            "The limit gamma*tau -> oo of momentum at a fixed impulse: the momenta forget "
            "everything but the\nlast gradient. Reached exactly at momentum = 0, to which it is "
            "bound here.\n"
        ),
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "momentum",
                "default": "0",
                "bounds": "[0, 0]",
                "meaning": "what one step leaves of the momenta",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "zeta",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            "E. Hermosis, Learning Dynamics (2025), section Application",
            "H. Robbins, S. Monro, A Stochastic Approximation Method (1951)",
        ],
    },
}
*/
