// Relativistic momentum of degree one in beta.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in relativistic_degree_one.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes relativistic_degree_one.cuh
//
// Hamiltonian:
//   beta/k*(s*sqrt(dot(X, X) + s**2) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + zeta*(1 - momentum)*G
//   w <- w - lr*s*X/sqrt(s**2 + sum(X**2))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1]; default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//   s: largest speed of the momenta, in units of lr. In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RELATIVISTIC_DEGREE_ONE_CUH
#define SYMPLECTIC_CODEGEN_RELATIVISTIC_DEGREE_ONE_CUH

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

namespace symplectic::relativistic_degree_one {

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
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1]
    double zeta = 1.0;  // weight of the gradient average; in [0, inf)
    double s = 1.0;  // largest speed of the momenta, in units of lr; in (0, inf)
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
    const double impulse = in.zeta * (1.0 - in.momentum);
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
    // learning rate of the drift
    const double rate = in.lr * in.s;
    // scalar of the step
    const double scale = power<2>(in.s);
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

}  // namespace symplectic::relativistic_degree_one

#ifndef __CUDACC_RTC__
// The C interface of relativistic_degree_one.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct relativistic_degree_one_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct relativistic_degree_one_saved {
    unsigned long long steps;
};
struct relativistic_degree_one_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int relativistic_degree_one_init(
    relativistic_degree_one_optimizer** made,
    const relativistic_degree_one_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int relativistic_degree_one_step(
    relativistic_degree_one_optimizer* optimizer,
    const void* gradient,
    const symplectic::relativistic_degree_one::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int relativistic_degree_one_step_list(
    relativistic_degree_one_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::relativistic_degree_one::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int relativistic_degree_one_save(
    relativistic_degree_one_optimizer* optimizer,
    relativistic_degree_one_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int relativistic_degree_one_restore(
    relativistic_degree_one_optimizer* optimizer,
    const relativistic_degree_one_saved* saved,
    void* stream);
void relativistic_degree_one_free(relativistic_degree_one_optimizer* optimizer);
// What a return code other than 0 means.
const char* relativistic_degree_one_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(s*sqrt(dot(X, X) + s**2) + c**2*L) + h*gamma/k*beta*U",
    "name": "relativistic_degree_one",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "d84243da3ee85cad5eb49a52395fda202f8f7008b48311a05c3aece930df4ffd",
    "body_sha256": "b137b22034acee2bd5a189fc7e5fad8759297f351e14579c5269c26bf8b93568",
    "command": "symplectic-codegen generate --catalog relativistic_degree_one --target cuda",
    "spec": {
        "format": 1,
        "title": "Relativistic momentum of degree one in beta",
        "description": (
            "The kinetic energy has the same factor beta as the rest, as the paper needs: cooling "
            "then slows\nnothing down, and the speed is bounded by lr*s for ever. The limit s -> "
            "oo is momentum.\n"
        ),
        "hyperparameters": [
            {
                "name": "s",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "largest speed of the momenta, in units of lr",
            },
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "momentum",
                "default": "9/10",
                "bounds": "[0, 1]",
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
            "G. Franca et al., Conformal symplectic and relativistic optimization (2019)",
            "E. Hermosis, Learning Dynamics (2025)",
        ],
    },
}
*/
