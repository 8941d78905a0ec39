// Relativistic stochastic gradient descent with the friction of the velocity.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in rsgd.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes rsgd.cuh
//
// Hamiltonian:
//   beta/k*(light**2*sqrt(dot(X, X)/light**2 + mass**2) + c**2*L)
//
// Update derived from it:
//   X <- -D*lr*X/sqrt(mass**2 + sum(X**2)/light**2) + X
//   X <- X + lr*G
//   w <- w - lr*X/sqrt(mass**2 + sum(X**2)/light**2)
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   light: speed limit. In (0, inf); default 1.0.
//   mass: rest mass. In (0, inf); default 0.5.
//   D: friction. In [0, inf); default 1.0.
//
// Proved: The pieces kick, cooling and drift of the step on (U, w, beta, X) are each exactly
// symplectic.
//
// Proved: On (w, X) the pieces kick, cooling and drift of the step are each conformally
// symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t) = 1.
//
// Proved: Friction (explicit) breaks the bracket of w and X and breaks the Poisson tensor:
// Rayleigh friction: not Hamiltonian; cooling is the friction of a Hamiltonian; by Euler's
// explicit step.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RSGD_CUH
#define SYMPLECTIC_CODEGEN_RSGD_CUH

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

namespace symplectic::rsgd {

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
    double light = 1.0;  // speed limit; in (0, inf)
    double mass = 0.5;  // rest mass; in (0, inf)
    double D = 1.0;  // friction; in [0, inf)
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_2;  // sum over all elements of X**2
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
    Real lr;  // learning rate
    Real factor_2;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    // scalar of the step
    const double factor_ = in.D * in.lr;
    // scalar of the step
    const double scale = 1.0 / power<2>(in.light);
    // scalar of the step
    const double scale_2 = power<2>(in.mass);
    // sum over all elements of X**2, from the step before
    const double sum_ = in.total_1;
    // the same for all elements
    const double factor_2 = factor_ / sqrt(scale_2 + scale * sum_);
    return {static_cast<Real>(in.lr), static_cast<Real>(factor_2)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = X - step.factor_2 * X;
    const Real X_new2 = X_new + step.lr * G;
    sums.sum_2 += X_new2 * X_new2;
    X = X_new2;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_2 {
    Real next_sum;  // sum over the elements of each parameter of X**2
};

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real factor_3;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    // scalar of the step
    const double scale = 1.0 / power<2>(in.light);
    // scalar of the step
    const double scale_2 = power<2>(in.mass);
    // the same for all elements
    const double factor_3 = in.lr / sqrt(scale_2 + scale * in.sum_2);
    return {static_cast<Real>(factor_3)};
}

// Stage 2 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(
    Real& w,
    Real X,
    const Coefficients_2<Real>& step,
    Partial_2<Real>& sums) {
    const Real w_new = w - step.factor_3 * X;
    sums.next_sum += X * X;
    w = w_new;
}

}  // namespace symplectic::rsgd

#ifndef __CUDACC_RTC__
// The C interface of rsgd.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct rsgd_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct rsgd_saved {
    unsigned long long steps;
};
struct rsgd_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int rsgd_init(
    rsgd_optimizer** made,
    const rsgd_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int rsgd_step(
    rsgd_optimizer* optimizer,
    const void* gradient,
    const symplectic::rsgd::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int rsgd_step_list(
    rsgd_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::rsgd::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int rsgd_save(
    rsgd_optimizer* optimizer,
    rsgd_saved* saved,
    symplectic::rsgd::BlockState* blocks,
    void* stream);
// Goes on from what `save` gave.
int rsgd_restore(
    rsgd_optimizer* optimizer,
    const rsgd_saved* saved,
    const symplectic::rsgd::BlockState* blocks,
    void* stream);
void rsgd_free(rsgd_optimizer* optimizer);
// What a return code other than 0 means.
const char* rsgd_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(light**2*sqrt(dot(X, X)/light**2 + mass**2) + c**2*L)",
    "name": "rsgd",
    "target": "cuda",
    "dtype": "any",
    "integrator": "F K B C",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "31627c77f6a3cad3bb463810c980f98b860d2d7bef8805f62271ebf6403c1e28",
    "body_sha256": "201d50c6aa72dbf858433ad19b717176e853a05bbee2bd8e3a97131a2626438b",
    "command": "symplectic-codegen generate --catalog rsgd --target cuda",
    "spec": {
        "friction": "D/h*X/sqrt(dot(X, X)/light**2 + mass**2)",
        "format": 1,
        "title": "Relativistic stochastic gradient descent with the friction of the velocity",
        "description": (
            "Friction D times the velocity, not times the momentum: no thermal part has that "
            "effect, so it is\nRayleigh friction, outside the Hamiltonian.\n"
        ),
        "hyperparameters": [
            {"name": "c", "bounds": "[1, 1]", "meaning": "weight of the loss: a unit"},
            {"name": "light", "default": "1", "bounds": "(0, oo)", "meaning": "speed limit"},
            {"name": "mass", "default": "1/2", "bounds": "(0, oo)", "meaning": "rest mass"},
            {"name": "D", "default": "1", "meaning": "friction"},
        ],
        "reparametrization": [{"name": "lr", "meaning": "learning rate", "equals": "tau/h"}],
        "references": [
            (
                "X. Lu, V. Perrone, L. Hasenclever, Y. W. Teh, S. Vollmer, Relativistic Monte "
                "Carlo (2017)"
            ),
        ],
    },
}
*/
