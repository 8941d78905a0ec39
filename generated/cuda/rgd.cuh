// Relativistic gradient descent (Algorithm 1).
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in rgd.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes rgd.cuh
//
// Hamiltonian:
//   beta/k*(a*sqrt(dot(X, X) + q**2) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   w <- w + (1 - alpha)*X/(sqrt(delta)*sqrt(1/(delta*epsilon**2) + sum(X**2)))
//   X <- X + G
//   w <- w - X/(sqrt(delta)*sqrt(1/(delta*epsilon**2) + sum(X**2)))
//   X <- momentum*X
//   w <- w - X/(sqrt(delta)*sqrt(1/(delta*epsilon**2) + sum(X**2)))
//
// Hyperparameters:
//   epsilon: learning rate. In (0, inf); required.
//   momentum: what one step leaves of the momenta. In (0, 1]; default 0.9.
//   delta: the first drift is shorter than 1/sqrt(delta). In (0, inf); default 1.0.
//   alpha: how much of the first drift is kept. In [0, 1]; default 1.0.
//
// Proved: The pieces kick, cooling and drift of the step on (U, w, beta, X) are each exactly
// symplectic.
//
// Proved: On (w, X) the pieces kick, cooling and drift of the step are each conformally
// symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t) = exp(-gamma*tau/h).
//
// Proved: The readout [B((1 - alpha)/(alpha + 1))] K reads the gradient where these would take
// the weights, and leaves the Hamiltonian class: the bracket of w and X is not multiplied by a
// constant.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RGD_CUH
#define SYMPLECTIC_CODEGEN_RGD_CUH

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

namespace symplectic::rgd {

#ifndef __CUDACC_RTC__
using std::pow;
using std::sqrt;
#endif

// x multiplied by itself.
template <int exponent, typename Real>
SYMPLECTIC_INLINE Real power(Real x) {
    if constexpr (exponent < 0) {
        return Real(1) / power<-exponent>(x);
    } else if constexpr (exponent == 0) {
        return Real(1);
    } else if constexpr (exponent % 2 == 1) {
        return exponent == 1 ? x : x * power<exponent - 1>(x);
    } else {
        const Real half = power<exponent / 2>(x);
        return half * half;
    }
}

struct Hyperparameters {
    double epsilon;  // learning rate; in (0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in (0, 1]
    double delta = 1.0;  // the first drift is shorter than 1/sqrt(delta); in (0, inf)
    double alpha = 1.0;  // how much of the first drift is kept; in [0, 1]
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_2;  // sum over all elements of X**2
    double sum_3;  // sum over all elements of X**2
};

// Sums over the parameters that take part in the step.
struct Totals {
    double total_1;
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, Sums, Totals {
    double n;  // the number of the step: 1, 2, 3, ...
};

// What is kept between steps for each parameter, in double precision.
struct BlockState {
    double known_sum;  // sum of X**2
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_2;  // sum over all elements of X**2
    double sum_3;  // sum over all elements of X**2
    double next_sum;  // sum over the elements of each parameter of X**2
};

// What one parameter has of its own.
struct Block : BlockState, ArraySums {};

// What one parameter adds to total_1.
SYMPLECTIC_INLINE double total_1(const Inputs&, const Block& block) {
    const double summand = block.known_sum;
    return summand;
}

// The state of one parameter after the step.
SYMPLECTIC_INLINE BlockState finish_block(const Inputs&, const Block& block) {
    BlockState next = block;
    next.known_sum = block.next_sum;
    return next;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real sum_2;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 1, rounded once.
template <typename Real>
struct Coefficients_1 {
    Real factor_;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    const double common = sqrt(in.delta);
    // learning rate of the drift
    const double rate = (1.0 - in.alpha) / common;
    // scalar of the step
    const double scale = 1.0 / (in.delta * power<2>(in.epsilon));
    // sum over all elements of X**2, from the step before
    const double sum_ = in.total_1;
    // the same for all elements
    const double factor_ = rate / sqrt(scale + sum_);
    return {static_cast<Real>(factor_)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real& w,
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real w_new = w + step.factor_ * X;
    const Real X_new = X + G;
    sums.sum_2 += X_new * X_new;
    X = X_new;
    w = w_new;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_2 {
    Real sum_3;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real momentum;  // what one step leaves of the momenta
    Real factor_2;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    const double common = sqrt(in.delta);
    // scalar of the step
    const double scale = 1.0 / (in.delta * power<2>(in.epsilon));
    // learning rate of the drift
    const double rate_2 = 1.0 / common;
    // the same for all elements
    const double factor_2 = rate_2 / sqrt(scale + in.sum_2);
    return {static_cast<Real>(in.momentum), static_cast<Real>(factor_2)};
}

// Stage 2 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(
    Real& w,
    Real& X,
    const Coefficients_2<Real>& step,
    Partial_2<Real>& sums) {
    const Real w_new2 = w - step.factor_2 * X;
    const Real X_new2 = step.momentum * X;
    sums.sum_3 += X_new2 * X_new2;
    X = X_new2;
    w = w_new2;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_3 {
    Real next_sum;  // sum over the elements of each parameter of X**2
};

// The numbers that all elements have in common in stage 3, rounded once.
template <typename Real>
struct Coefficients_3 {
    Real factor_3;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_3<Real> coefficients_3(const Inputs& in) {
    const double common = sqrt(in.delta);
    // scalar of the step
    const double scale = 1.0 / (in.delta * power<2>(in.epsilon));
    // learning rate of the drift
    const double rate_2 = 1.0 / common;
    // the same for all elements
    const double factor_3 = rate_2 / sqrt(scale + in.sum_3);
    return {static_cast<Real>(factor_3)};
}

// Stage 3 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_3(
    Real& w,
    Real X,
    const Coefficients_3<Real>& step,
    Partial_3<Real>& sums) {
    const Real w_new3 = w - step.factor_3 * X;
    sums.next_sum += X * X;
    w = w_new3;
}

}  // namespace symplectic::rgd

#ifndef __CUDACC_RTC__
// The C interface of rgd.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct rgd_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct rgd_saved {
    unsigned long long steps;
};
struct rgd_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int rgd_init(
    rgd_optimizer** made,
    const rgd_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int rgd_step(
    rgd_optimizer* optimizer,
    const void* gradient,
    const symplectic::rgd::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int rgd_step_list(
    rgd_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::rgd::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int rgd_save(
    rgd_optimizer* optimizer,
    rgd_saved* saved,
    symplectic::rgd::BlockState* blocks,
    void* stream);
// Goes on from what `save` gave.
int rgd_restore(
    rgd_optimizer* optimizer,
    const rgd_saved* saved,
    const symplectic::rgd::BlockState* blocks,
    void* stream);
void rgd_free(rgd_optimizer* optimizer);
// What a return code other than 0 means.
const char* rgd_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(a*sqrt(dot(X, X) + q**2) + c**2*L) + h*gamma/k*beta*U",
    "name": "rgd",
    "target": "cuda",
    "dtype": "any",
    "integrator": "C/2 B(alpha/(1 + alpha)) [B((1 - alpha)/(1 + alpha))] K B(1/(1 + alpha)) C/2",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "54f6cc8b927f286d77ef8315974f188071bfd5129775f1670e8e846922e83886",
    "body_sha256": "44d0312c2813e87c77427516983ced7f9ce4a2c906f315bc1d3610501652ba1f",
    "command": "symplectic-codegen generate --catalog rgd --target cuda",
    "spec": {
        "format": 1,
        "title": "Relativistic gradient descent (Algorithm 1)",
        "description": (
            "At alpha = 1 the conformal symplectic leapfrog, below it a readout: the drift before "
            "the\ngradient is partly taken back, and at alpha = 0 and small delta it is Nesterov's "
            "method. In the\nparameters of the authors; their velocity is proportional to -X. The "
            "optimizer stores the\nweights at which the gradient is read.\n"
        ),
        "hyperparameters": [
            {
                "name": "tau",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "the time of a step: a unit",
            },
            {"name": "h", "bounds": "[1, 1]", "meaning": "unit of action: a unit"},
            {"name": "c", "bounds": "[1, 1]", "meaning": "weight of the loss: a unit"},
            {"name": "a", "bounds": "(0, oo)", "meaning": "speed limit"},
            {"name": "q", "bounds": "(0, oo)", "meaning": "momentum at which it is felt"},
            {
                "name": "alpha",
                "default": "1",
                "bounds": "[0, 1]",
                "meaning": "how much of the first drift is kept",
            },
        ],
        "reparametrization": [
            {
                "name": "epsilon",
                "bounds": "(0, oo)",
                "meaning": "learning rate",
                "equals": "tau**2*a*c**2/(h**2*q*(1 + alpha))",
            },
            {
                "name": "momentum",
                "default": "9/10",
                "bounds": "(0, 1]",
                "meaning": "what one step leaves of the momenta",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "delta",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "the first drift is shorter than 1/sqrt(delta)",
                "equals": "((1 + alpha)*h/(tau*a))**2",
            },
        ],
        "references": [
            (
                "G. Franca, J. Sulam, D. Robinson, R. Vidal, Conformal symplectic and relativistic "
                "optimization (2020)"
            ),
        ],
    },
}
*/
