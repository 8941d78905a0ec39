// Nesterov's method with the coefficient (n - 1)/(n + 2).
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in nesterov_convex.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes nesterov_convex.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + 3*h/(k*t)*beta*U
//
// Update derived from it:
//   w <- w - lr*(-1 + n)*X/(2 + n) - lr*zeta*(1 + 2*n)*G/(2 + n)
//   X <- (-1 + n)*X/(2 + n) + zeta*(-1 + n)*G/(2 + n)
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//
// Proved: The pieces kick, cooling (cayley map) and drift of the step on (U, w, beta, X) are each
// exactly symplectic.
//
// Proved: On (w, X) the pieces kick, cooling (cayley map) and drift of the step are each
// conformally symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t).
//
// Proved: Cooling (cayley map): the cayley map of cooling: symplectic, not the exact flow.
//
// Proved: The readout [B] K reads the gradient where these would take the weights, and leaves the
// Hamiltonian class: the bracket of w and X is not multiplied by a constant.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_NESTEROV_CONVEX_CUH
#define SYMPLECTIC_CODEGEN_NESTEROV_CONVEX_CUH

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

namespace symplectic::nesterov_convex {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double zeta = 1.0;  // weight of a gradient in the momenta; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real rate;  // learning rate of the momenta
    Real step_;  // learning rate of the gradient itself
    Real decay;  // what a step leaves of the momenta
    Real impulse;  // impulse of the loss gradient
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // learning rate of the momenta
    const double rate = in.lr * (in.n - 1.0) / (in.n + 2.0);
    // learning rate of the gradient itself
    const double step_ = in.lr * in.zeta * (1.0 + 2.0 * in.n) / (in.n + 2.0);
    // what a step leaves of the momenta
    const double decay = (in.n - 1.0) / (in.n + 2.0);
    // impulse of the loss gradient
    const double impulse = in.zeta * (in.n - 1.0) / (in.n + 2.0);
    return {
        static_cast<Real>(rate),
        static_cast<Real>(step_),
        static_cast<Real>(decay),
        static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real w_new = w - step.rate * X - step.step_ * G;
    const Real X_new = step.decay * X + step.impulse * G;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::nesterov_convex

#ifndef __CUDACC_RTC__
// The C interface of nesterov_convex.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct nesterov_convex_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct nesterov_convex_saved {
    unsigned long long steps;
};
struct nesterov_convex_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int nesterov_convex_init(
    nesterov_convex_optimizer** made,
    const nesterov_convex_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int nesterov_convex_step(
    nesterov_convex_optimizer* optimizer,
    const void* gradient,
    const symplectic::nesterov_convex::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int nesterov_convex_step_list(
    nesterov_convex_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::nesterov_convex::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int nesterov_convex_save(
    nesterov_convex_optimizer* optimizer,
    nesterov_convex_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int nesterov_convex_restore(
    nesterov_convex_optimizer* optimizer,
    const nesterov_convex_saved* saved,
    void* stream);
void nesterov_convex_free(nesterov_convex_optimizer* optimizer);
// What a return code other than 0 means.
const char* nesterov_convex_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + 3*h/(k*t)*beta*U",
    "name": "nesterov_convex",
    "target": "cuda",
    "dtype": "any",
    "integrator": "nesterov",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "d3cd47560266ff26046a24b000e42d0e9214298ea3f373d108871e4760692855",
    "body_sha256": "483fe1bad95b9f49b6a87bdea460fa6524217dbfe80c23f62ae4b0a2176487c3",
    "command": "symplectic-codegen generate --catalog nesterov_convex --target cuda",
    "spec": {
        "cooling": "cayley",
        "format": 1,
        "title": "Nesterov's method with the coefficient (n - 1)/(n + 2)",
        "description": (
            "Friction 3/t, cooled by Cayley's map at the middle of the step: that gives the "
            "coefficient (n -\n1)/(n + 2) of the n-th step. The gradient is read ahead, and the "
            "optimizer stores the weights at\nwhich it is read, as in the entry nesterov.\n"
        ),
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "zeta",
                "default": "1",
                "meaning": "weight of a gradient in the momenta",
                "equals": "tau*c**2/h",
            },
        ],
        "references": [
            (
                "Y. Nesterov, A method for solving the convex programming problem with convergence "
                "rate O(1/k^2) (1983)"
            ),
            (
                "W. Su, S. Boyd, E. Candes, A differential equation for modeling Nesterov's "
                "accelerated gradient method (2014)"
            ),
        ],
    },
}
*/
