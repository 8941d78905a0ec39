// Momentum of unit length.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in normalized_momentum.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes normalized_momentum.cuh
//
// Hamiltonian:
//   beta/k*(norm(X) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + (1 - momentum)*G
//   w <- w - lr*X/sqrt(sum(X**2))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_NORMALIZED_MOMENTUM_CUH
#define SYMPLECTIC_CODEGEN_NORMALIZED_MOMENTUM_CUH

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

namespace symplectic::normalized_momentum {

#ifndef __CUDACC_RTC__
using std::sqrt;
#endif

// The larger one, or NaN if either is.
template <typename Real>
SYMPLECTIC_INLINE Real maximum(Real x, Real y) {
    return x > y || x != x ? x : y;
}

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
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
    const double factor_ = in.lr / sqrt(maximum(1e-36, in.sum_));
    return {static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, const Coefficients_2<Real>& step) {
    const Real w_new = w - step.factor_ * X;
    w = w_new;
}

}  // namespace symplectic::normalized_momentum

#ifndef __CUDACC_RTC__
// The C interface of normalized_momentum.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct normalized_momentum_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct normalized_momentum_saved {
    unsigned long long steps;
};
struct normalized_momentum_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int normalized_momentum_init(
    normalized_momentum_optimizer** made,
    const normalized_momentum_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int normalized_momentum_step(
    normalized_momentum_optimizer* optimizer,
    const void* gradient,
    const symplectic::normalized_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int normalized_momentum_step_list(
    normalized_momentum_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::normalized_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int normalized_momentum_save(
    normalized_momentum_optimizer* optimizer,
    normalized_momentum_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int normalized_momentum_restore(
    normalized_momentum_optimizer* optimizer,
    const normalized_momentum_saved* saved,
    void* stream);
void normalized_momentum_free(normalized_momentum_optimizer* optimizer);
// What a return code other than 0 means.
const char* normalized_momentum_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(norm(X) + c**2*L) + h*gamma/k*beta*U",
    "name": "normalized_momentum",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "925f87a4b48fcc316fa01bd89012c501e4ffe157654699f0e12ba29efafadd3a",
    "body_sha256": "4561ed29d1473123c69b0326a4581dd028051addd64493af23c4667e26ab4b19",
    "command": "symplectic-codegen generate --catalog normalized_momentum --target cuda",
    "spec": {
        "format": 1,
        "title": "Momentum of unit length",
        "description": (
            "The kinetic energy is the length of the momenta: a step of the weights has the length "
            "lr,\nwhatever the gradient is.\n"
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
        "references": ["A. Cutkosky, H. Mehta, Momentum improves normalized SGD (2020)"],
    },
}
*/
