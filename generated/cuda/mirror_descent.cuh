// Mirror descent with momentum for positive weights.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in mirror_descent.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes mirror_descent.cuh
//
// Hamiltonian:
//   beta/(2*k)*sum(w**2*X**2) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + zeta*(1 - momentum)*G
//   X_ahead <- X*exp(lr*X*w)
//   w <- w*exp(-lr*X*w)
//   X <- X_ahead
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_MIRROR_DESCENT_CUH
#define SYMPLECTIC_CODEGEN_MIRROR_DESCENT_CUH

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

namespace symplectic::mirror_descent {

#ifndef __CUDACC_RTC__
using std::exp;
#endif

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
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
    Real factor_;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = in.zeta * (1.0 - in.momentum);
    // the same for all elements
    const double factor_ = -in.lr;
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(in.momentum),
        static_cast<Real>(impulse),
        static_cast<Real>(factor_)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.momentum * X + step.impulse * G;
    const Real X_ahead_new = X_new * exp(step.lr * w * X_new);
    const Real w_new = w * exp(step.factor_ * w * X_new);
    X = X_ahead_new;
    w = w_new;
}

}  // namespace symplectic::mirror_descent

#ifndef __CUDACC_RTC__
// The C interface of mirror_descent.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct mirror_descent_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct mirror_descent_saved {
    unsigned long long steps;
};
struct mirror_descent_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int mirror_descent_init(
    mirror_descent_optimizer** made,
    const mirror_descent_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int mirror_descent_step(
    mirror_descent_optimizer* optimizer,
    const void* gradient,
    const symplectic::mirror_descent::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int mirror_descent_step_list(
    mirror_descent_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::mirror_descent::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int mirror_descent_save(
    mirror_descent_optimizer* optimizer,
    mirror_descent_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int mirror_descent_restore(
    mirror_descent_optimizer* optimizer,
    const mirror_descent_saved* saved,
    void* stream);
void mirror_descent_free(mirror_descent_optimizer* optimizer);
// What a return code other than 0 means.
const char* mirror_descent_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*sum(w**2*X**2) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "mirror_descent",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "4741e409a31f255a9c49f6ab6a77d55ff819a6d6861563c2a591dbc59acaa20d",
    "body_sha256": "a68126c8ea7e56df1d9b046843d31c1af11abd26b2b925084393ba06e363bdaa",
    "command": "symplectic-codegen generate --catalog mirror_descent --target cuda",
    "spec": {
        "format": 1,
        "title": "Mirror descent with momentum for positive weights",
        "description": (
            "The metric 1/w^2 of the logarithm: geodesics are exponentials, so weights keep their "
            "sign and\nthe drift is exact. Without memory of momenta it is the exponentiated "
            "gradient on w*gradient.\n"
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
                "name": "zeta",
                "default": "1",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            (
                "A. Wibisono, A. Wilson, M. Jordan, A variational perspective on accelerated "
                "methods (2016)"
            ),
            (
                "J. Kivinen, M. Warmuth, Exponentiated gradient versus gradient descent for linear "
                "predictors (1997)"
            ),
        ],
    },
}
*/
