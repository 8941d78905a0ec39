// Hamiltonian descent with a power kinetic energy.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in hamiltonian_descent.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes hamiltonian_descent.cuh
//
// Hamiltonian:
//   beta/k*((norm(X)**a + 1)**(A/a)/A + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- X/(1 + friction) + zeta*G/(1 + friction)
//   w <- w - lr*(1 + sum(X**2)**(a/2))**((-a + A)/a)*sum(X**2)**(-1 + a/2)*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   friction: friction over a step. In [0, inf); default 0.1.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//   a: power near rest. In [1, inf); default 2.0.
//   A: power far from rest. In [1, inf); default 2.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t).
//
// Proved: Cooling (implicit map): the implicit map of cooling: symplectic, not the exact flow.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_HAMILTONIAN_DESCENT_CUH
#define SYMPLECTIC_CODEGEN_HAMILTONIAN_DESCENT_CUH

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

namespace symplectic::hamiltonian_descent {

#ifndef __CUDACC_RTC__
using std::pow;
#endif

// The larger one, or NaN if either is.
template <typename Real>
SYMPLECTIC_INLINE Real maximum(Real x, Real y) {
    return x > y || x != x ? x : y;
}

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double friction = 0.1;  // friction over a step; in [0, inf)
    double zeta = 1.0;  // weight of a gradient in the momenta; in [0, inf)
    double a = 2.0;  // power near rest; in [1, inf)
    double A = 2.0;  // power far from rest; in [1, inf)
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_;  // sum over all elements of X**2
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, Sums {
    double n;  // the number of the step: 1, 2, 3, ...
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_;  // sum over all elements of X**2
};

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real sum_;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 1, rounded once.
template <typename Real>
struct Coefficients_1 {
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse;  // weight of the loss gradient
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = 1.0 / (1.0 + in.friction);
    // weight of the loss gradient
    const double impulse = in.zeta / (1.0 + in.friction);
    return {static_cast<Real>(decay), static_cast<Real>(impulse)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = step.decay * X + step.impulse * G;
    sums.sum_ += X_new * X_new;
    X = X_new;
}

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real factor_;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    // scalar of the step
    const double scale = in.a / 2.0;
    // scalar of the step
    const double scale_2 = (in.A - in.a) / in.a;
    // scalar of the step
    const double scale_3 = in.a / 2.0 - 1.0;
    // the same for all elements
    const double part_1 = pow(1.0 + pow(maximum(1e-36, in.sum_), scale), scale_2);
    const double factor_ = part_1 * pow(maximum(1e-36, in.sum_), scale_3) * in.lr;
    return {static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, const Coefficients_2<Real>& step) {
    const Real w_new = w - step.factor_ * X;
    w = w_new;
}

}  // namespace symplectic::hamiltonian_descent

#ifndef __CUDACC_RTC__
// The C interface of hamiltonian_descent.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct hamiltonian_descent_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct hamiltonian_descent_saved {
    unsigned long long steps;
};
struct hamiltonian_descent_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int hamiltonian_descent_init(
    hamiltonian_descent_optimizer** made,
    const hamiltonian_descent_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int hamiltonian_descent_step(
    hamiltonian_descent_optimizer* optimizer,
    const void* gradient,
    const symplectic::hamiltonian_descent::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int hamiltonian_descent_step_list(
    hamiltonian_descent_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::hamiltonian_descent::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int hamiltonian_descent_save(
    hamiltonian_descent_optimizer* optimizer,
    hamiltonian_descent_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int hamiltonian_descent_restore(
    hamiltonian_descent_optimizer* optimizer,
    const hamiltonian_descent_saved* saved,
    void* stream);
void hamiltonian_descent_free(hamiltonian_descent_optimizer* optimizer);
// What a return code other than 0 means.
const char* hamiltonian_descent_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*((norm(X)**a + 1)**(A/a)/A + c**2*L) + h*gamma/k*beta*U",
    "name": "hamiltonian_descent",
    "target": "cuda",
    "dtype": "any",
    "integrator": "K C B",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "5da06d3a5b2d48419eed0ce514aaa1cdcfb23234c6b965ab3d766836fd93a5d0",
    "body_sha256": "2e25105f3e02112a81e4479c30c11983a7311c06544d247fad4968ead71b82e3",
    "command": "symplectic-codegen generate --catalog hamiltonian_descent --target cuda",
    "spec": {
        "cooling": "implicit",
        "format": 1,
        "title": "Hamiltonian descent with a power kinetic energy",
        "description": (
            "The first explicit method: the gradient, implicit cooling, drift. a shapes the "
            "kinetic energy\nnear rest, A far from it; (2, 2) is classical, (2, 1) relativistic.\n"
        ),
        "hyperparameters": [
            {"name": "a", "default": "2", "bounds": "[1, oo)", "meaning": "power near rest"},
            {"name": "A", "default": "2", "bounds": "[1, oo)", "meaning": "power far from rest"},
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "friction",
                "default": "1/10",
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
            (
                "C. Maddison, D. Paulin, Y. W. Teh, B. O'Donoghue, A. Doucet, Hamiltonian descent "
                "methods (2018)"
            ),
        ],
    },
}
*/
