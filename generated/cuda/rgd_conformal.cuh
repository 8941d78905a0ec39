// Relativistic gradient descent, second order (Algorithm 1 at alpha = 1).
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in rgd_conformal.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes rgd_conformal.cuh
//
// Hamiltonian:
//   beta/k*(a*sqrt(dot(X, X) + q**2) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- X + G
//   w <- w - X/(sqrt(delta)*sqrt(1/(delta*epsilon**2) + sum(X**2)))
//   X <- momentum*X
//   w <- w - X/(sqrt(delta)*sqrt(1/(delta*epsilon**2) + sum(X**2)))
//
// Hyperparameters:
//   epsilon: learning rate. In (0, inf); required.
//   momentum: what one step leaves of the momenta. In (0, 1]; default 0.9.
//   delta: half a drift is shorter than 1/sqrt(delta). In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau/h).
//
// Proved: Order 2: the step agrees with the equations of motion through tau^2 (on the trajectory;
// the program stores what is C/2 B/2 ahead of it).

#ifndef SYMPLECTIC_CODEGEN_RGD_CONFORMAL_CUH
#define SYMPLECTIC_CODEGEN_RGD_CONFORMAL_CUH

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

namespace symplectic::rgd_conformal {

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
    double delta = 1.0;  // half a drift is shorter than 1/sqrt(delta); in (0, inf)
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_;  // sum over all elements of X**2
    double sum_2;  // sum over all elements of X**2
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, Sums {
    double n;  // the number of the step: 1, 2, 3, ...
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_;  // sum over all elements of X**2
    double sum_2;  // sum over all elements of X**2
};

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real sum_;  // sum over all elements of X**2
};

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(Real G, Real& X, Partial_1<Real>& sums) {
    const Real X_new = X + G;
    sums.sum_ += X_new * X_new;
    X = X_new;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_2 {
    Real sum_2;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real momentum;  // what one step leaves of the momenta
    Real factor_;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    // learning rate of the drift
    const double rate = 1.0 / sqrt(in.delta);
    // scalar of the step
    const double scale = 1.0 / (in.delta * power<2>(in.epsilon));
    // the same for all elements
    const double factor_ = rate / sqrt(scale + in.sum_);
    return {static_cast<Real>(in.momentum), static_cast<Real>(factor_)};
}

// Stage 2 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(
    Real& w,
    Real& X,
    const Coefficients_2<Real>& step,
    Partial_2<Real>& sums) {
    const Real w_new = w - step.factor_ * X;
    const Real X_new2 = step.momentum * X;
    sums.sum_2 += X_new2 * X_new2;
    X = X_new2;
    w = w_new;
}

// The numbers that all elements have in common in stage 3, rounded once.
template <typename Real>
struct Coefficients_3 {
    Real factor_2;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_3<Real> coefficients_3(const Inputs& in) {
    // learning rate of the drift
    const double rate = 1.0 / sqrt(in.delta);
    // scalar of the step
    const double scale = 1.0 / (in.delta * power<2>(in.epsilon));
    // the same for all elements
    const double factor_2 = rate / sqrt(scale + in.sum_2);
    return {static_cast<Real>(factor_2)};
}

// Stage 3 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_3(Real& w, Real X, const Coefficients_3<Real>& step) {
    const Real w_new2 = w - step.factor_2 * X;
    w = w_new2;
}

}  // namespace symplectic::rgd_conformal

#ifndef __CUDACC_RTC__
// The C interface of rgd_conformal.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct rgd_conformal_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct rgd_conformal_saved {
    unsigned long long steps;
};
struct rgd_conformal_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int rgd_conformal_init(
    rgd_conformal_optimizer** made,
    const rgd_conformal_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int rgd_conformal_step(
    rgd_conformal_optimizer* optimizer,
    const void* gradient,
    const symplectic::rgd_conformal::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int rgd_conformal_step_list(
    rgd_conformal_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::rgd_conformal::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int rgd_conformal_save(
    rgd_conformal_optimizer* optimizer,
    rgd_conformal_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int rgd_conformal_restore(
    rgd_conformal_optimizer* optimizer,
    const rgd_conformal_saved* saved,
    void* stream);
void rgd_conformal_free(rgd_conformal_optimizer* optimizer);
// What a return code other than 0 means.
const char* rgd_conformal_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(a*sqrt(dot(X, X) + q**2) + c**2*L) + h*gamma/k*beta*U",
    "name": "rgd_conformal",
    "target": "cuda",
    "dtype": "any",
    "integrator": "conformal-leapfrog",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "7d94d3e6c9789db4b547e5c10f0d757b5d782362bc726d936ca9c51c16b8dba1",
    "body_sha256": "c4efa273663fc07b23e94eadbb8c1a600bdd6371e1607f3545d71e96f21f3a49",
    "command": "symplectic-codegen generate --catalog rgd_conformal --target cuda",
    "spec": {
        "format": 1,
        "title": "Relativistic gradient descent, second order (Algorithm 1 at alpha = 1)",
        "description": (
            "The conformal symplectic leapfrog: half a drift, the gradient, half a drift, and "
            "cooling around\nit. In the parameters of the authors; their velocity is v = "
            "-epsilon/zeta*X with the weight zeta\nof a gradient in the momenta. The optimizer "
            "stores the weights in the middle of the step, where\nthe gradient is read.\n"
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
        ],
        "reparametrization": [
            {
                "name": "epsilon",
                "bounds": "(0, oo)",
                "meaning": "learning rate",
                "equals": "tau**2*a*c**2/(2*h**2*q)",
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
                "meaning": "half a drift is shorter than 1/sqrt(delta)",
                "equals": "(2*h/(tau*a))**2",
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
