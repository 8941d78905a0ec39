// Relativistic gradient descent, first order.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in rgd_first_order.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes rgd_first_order.cuh
//
// Hamiltonian:
//   beta/k*c**2*(light*sqrt(dot(X, X) + (mass*light)**2) + L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + lr*G
//   w <- w - light*lr*X/sqrt(light**2*mass**2 + sum(X**2))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   light: speed limit. In (0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1]; default 0.9.
//   mass: rest mass. In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RGD_FIRST_ORDER_CUH
#define SYMPLECTIC_CODEGEN_RGD_FIRST_ORDER_CUH

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

namespace symplectic::rgd_first_order {

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
    double lr;  // learning rate; in [0, inf)
    double light;  // speed limit; in (0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1]
    double mass = 1.0;  // rest mass; in (0, inf)
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
    Real lr;  // learning rate
    Real momentum;  // what one step leaves of the momenta
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    return {static_cast<Real>(in.lr), static_cast<Real>(in.momentum)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = step.momentum * X + step.lr * G;
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
    // learning rate of the drift
    const double rate = in.light * in.lr;
    // scalar of the step
    const double scale = power<2>(in.light) * power<2>(in.mass);
    // the same for all elements
    const double factor_ = rate / sqrt(scale + in.sum_);
    return {static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, const Coefficients_2<Real>& step) {
    const Real w_new = w - step.factor_ * X;
    w = w_new;
}

}  // namespace symplectic::rgd_first_order

#ifndef __CUDACC_RTC__
// The C interface of rgd_first_order.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct rgd_first_order_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct rgd_first_order_saved {
    unsigned long long steps;
};
struct rgd_first_order_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int rgd_first_order_init(
    rgd_first_order_optimizer** made,
    const rgd_first_order_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int rgd_first_order_step(
    rgd_first_order_optimizer* optimizer,
    const void* gradient,
    const symplectic::rgd_first_order::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int rgd_first_order_step_list(
    rgd_first_order_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::rgd_first_order::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int rgd_first_order_save(
    rgd_first_order_optimizer* optimizer,
    rgd_first_order_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int rgd_first_order_restore(
    rgd_first_order_optimizer* optimizer,
    const rgd_first_order_saved* saved,
    void* stream);
void rgd_first_order_free(rgd_first_order_optimizer* optimizer);
// What a return code other than 0 means.
const char* rgd_first_order_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*c**2*(light*sqrt(dot(X, X) + (mass*light)**2) + L) + h*gamma/k*beta*U",
    "name": "rgd_first_order",
    "target": "cuda",
    "dtype": "any",
    "integrator": "C K B",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "96201d3ac7bbbb7259f9953e2977d0d953835e0f3958435e5181930af7bc0cde",
    "body_sha256": "052119e5b54ff92b288acc2da5ad5541f7b9c8a09d7bb22a246fcf6bb1233274",
    "command": "symplectic-codegen generate --catalog rgd_first_order --target cuda",
    "spec": {
        "format": 1,
        "title": "Relativistic gradient descent, first order",
        "description": (
            "Kinetic energy light*sqrt(|X|^2 + (mass*light)^2): a step of the weights is never "
            "longer than\nlr*light. In the letters of the authors: p = -X is the momentum, lr is "
            "h, light the speed limit\nc, mass is m.\n"
        ),
        "hyperparameters": [
            {"name": "light", "bounds": "(0, oo)", "meaning": "speed limit"},
            {"name": "mass", "default": "1", "bounds": "(0, oo)", "meaning": "rest mass"},
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau*c**2/h"},
            {
                "name": "momentum",
                "default": "9/10",
                "bounds": "[0, 1]",
                "meaning": "what one step leaves of the momenta",
                "equals": "exp(-gamma*tau)",
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
