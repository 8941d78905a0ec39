// Signum: the sign of the momenta.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in signum.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes signum.cuh
//
// Hamiltonian:
//   beta/k*(norm1(X) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + (1 - momentum)*G
//   w <- w - lr*sign(X)
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic away from the kinks of H (there the
// subgradient rule is used).
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_SIGNUM_CUH
#define SYMPLECTIC_CODEGEN_SIGNUM_CUH

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

namespace symplectic::signum {

// -1, 0 or 1; NaN stays NaN.
template <typename Real>
SYMPLECTIC_INLINE Real sign(Real x) {
    return x > Real(0) ? Real(1) : (x < Real(0) ? Real(-1) : x);
}

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
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
    const double impulse = 1.0 - in.momentum;
    return {static_cast<Real>(in.lr), static_cast<Real>(in.momentum), static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.momentum * X + step.impulse * G;
    const Real w_new = w - step.lr * sign(X_new);
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::signum

#ifndef __CUDACC_RTC__
// The C interface of signum.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct signum_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct signum_saved {
    unsigned long long steps;
};
struct signum_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int signum_init(
    signum_optimizer** made,
    const signum_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int signum_step(
    signum_optimizer* optimizer,
    const void* gradient,
    const symplectic::signum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int signum_step_list(
    signum_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::signum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int signum_save(signum_optimizer* optimizer, signum_saved* saved, void* stream);
// Goes on from what `save` gave.
int signum_restore(signum_optimizer* optimizer, const signum_saved* saved, void* stream);
void signum_free(signum_optimizer* optimizer);
// What a return code other than 0 means.
const char* signum_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(norm1(X) + c**2*L) + h*gamma/k*beta*U",
    "name": "signum",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "cc71d9721e6d4ed0f4ed775aafe98aa0e50b509c59051194a3495981f0717505",
    "body_sha256": "a997ec2fe93919944297f42df785b21e327d89f91d49c4cc6a450705b8c8e4f3",
    "command": "symplectic-codegen generate --catalog signum --target cuda",
    "spec": {
        "format": 1,
        "title": "Signum: the sign of the momenta",
        "description": (
            "The kinetic energy is the sum of the absolute values; its velocity is the sign of the "
            "momenta, 0\nat 0.\n"
        ),
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
                "name": "gain",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            "J. Bernstein et al., signSGD: compressed optimisation for non-convex problems (2018)",
        ],
    },
}
*/
