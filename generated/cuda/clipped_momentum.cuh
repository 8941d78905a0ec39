// Momentum of a length that is clipped.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in clipped_momentum.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes clipped_momentum.cuh
//
// Hamiltonian:
//   beta/k*(huber(norm(X), delta) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + (1 - momentum)*G
//   w <- w - lr*X*min(delta, sqrt(sum(X**2)))/sqrt(sum(X**2))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//   delta: length from which the momenta are clipped. In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic away from the kinks of H (there the
// subgradient rule is used).
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_CLIPPED_MOMENTUM_CUH
#define SYMPLECTIC_CODEGEN_CLIPPED_MOMENTUM_CUH

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

namespace symplectic::clipped_momentum {

#ifndef __CUDACC_RTC__
using std::sqrt;
#endif

// The smaller one, or NaN if either is.
template <typename Real>
SYMPLECTIC_INLINE Real minimum(Real x, Real y) {
    return x < y || x != x ? x : y;
}

// The larger one, or NaN if either is.
template <typename Real>
SYMPLECTIC_INLINE Real maximum(Real x, Real y) {
    return x > y || x != x ? x : y;
}

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
    double delta = 1.0;  // length from which the momenta are clipped; in (0, inf)
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
    Real momentum;  // what one step leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = 1.0 - in.momentum;
    return {static_cast<Real>(in.momentum), static_cast<Real>(impulse)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = step.momentum * X + step.impulse * G;
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
    // the same for all elements
    const double factor_ = in.lr * minimum(in.delta, sqrt(in.sum_)) / sqrt(maximum(1e-36, in.sum_));
    return {static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, const Coefficients_2<Real>& step) {
    const Real w_new = w - step.factor_ * X;
    w = w_new;
}

}  // namespace symplectic::clipped_momentum

#ifndef __CUDACC_RTC__
// The C interface of clipped_momentum.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct clipped_momentum_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct clipped_momentum_saved {
    unsigned long long steps;
};
struct clipped_momentum_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int clipped_momentum_init(
    clipped_momentum_optimizer** made,
    const clipped_momentum_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int clipped_momentum_step(
    clipped_momentum_optimizer* optimizer,
    const void* gradient,
    const symplectic::clipped_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int clipped_momentum_step_list(
    clipped_momentum_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::clipped_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int clipped_momentum_save(
    clipped_momentum_optimizer* optimizer,
    clipped_momentum_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int clipped_momentum_restore(
    clipped_momentum_optimizer* optimizer,
    const clipped_momentum_saved* saved,
    void* stream);
void clipped_momentum_free(clipped_momentum_optimizer* optimizer);
// What a return code other than 0 means.
const char* clipped_momentum_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(huber(norm(X), delta) + c**2*L) + h*gamma/k*beta*U",
    "name": "clipped_momentum",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "78589b3b69c687c01faf8425d928ff214562d528174d47418ebfbae136eabd8e",
    "body_sha256": "9ff37bc2ccfb391dab713c5674d36204bf4cf8d7f3cbe36b1c7020d89c852d91",
    "command": "symplectic-codegen generate --catalog clipped_momentum --target cuda",
    "spec": {
        "format": 1,
        "title": "Momentum of a length that is clipped",
        "description": (
            "The kinetic energy is quadratic up to the length delta and linear beyond: momenta are "
            "clipped,\nnot gradients.\n"
        ),
        "hyperparameters": [
            {
                "name": "delta",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "length from which the momenta are clipped",
            },
        ],
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
        "references": ["J. Zhang et al., Why gradient clipping accelerates training (2020)"],
    },
}
*/
