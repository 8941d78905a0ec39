// Bregman dynamics of polynomial rate.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in bregman_polynomial.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes bregman_polynomial.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*(beta/beta0)**((p - 2)/(p + 1))*L   + (p +
//       1)*h/(k*t0)*beta0**(1/(p + 1))*beta**(p/(p + 1))*U
//
// Update derived from it:
//   X <- (2*(-1 + n + offset)/(-1 + 2*n + 2*offset))**(1 + p)*X + zeta*offset**(2 - p)*(2/(-1 + 2*n
//       + 2*offset))**(1 + p)*(-1 + n + offset)**(-1 + 2*p)*G
//   w <- w - lr*X
//   X <- ((-1/2 + n + offset)/(n + offset))**(1 + p)*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   offset: steps before cooling sets in. In [1, inf); default 1.0.
//   zeta: weight of the first gradient in the momenta. In (0, inf); default 1.0.
//   p: order of the rate. In [1, 10]; default 3.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = (t0/(beta^(1/(1 + p))*t0 + beta₀^(1/(1 + p))*tau))^(1 + p)*beta.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_BREGMAN_POLYNOMIAL_CUH
#define SYMPLECTIC_CODEGEN_BREGMAN_POLYNOMIAL_CUH

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

namespace symplectic::bregman_polynomial {

#ifndef __CUDACC_RTC__
using std::exp;
using std::log1p;
using std::pow;
#endif

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double offset_ = 1.0;  // steps before cooling sets in; in [1, inf)
    double zeta = 1.0;  // weight of the first gradient in the momenta; in (0, inf)
    double p = 3.0;  // order of the rate; in [1, 10]
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real decay;  // what a step leaves of X
    Real impulse;  // weight of the loss gradient
    Real decay_2;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // what a step leaves of X
    const double decay = exp(log1p(-1.0 / (2.0 * in.n + 2.0 * in.offset_ - 1.0)) * (1.0 + in.p));
    // weight of the loss gradient
    const double part_1 = pow(2.0 / (2.0 * in.n + 2.0 * in.offset_ - 1.0), 1.0 + in.p);
    const double part_2 = pow(in.n - 1.0 + in.offset_, 2.0 * in.p - 1.0);
    const double impulse = part_1 * part_2 * in.zeta / pow(in.offset_, in.p - 2.0);
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay_2 = exp(log1p(-1.0 / (2.0 * (in.n + in.offset_))) * (1.0 + in.p));
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(decay),
        static_cast<Real>(impulse),
        static_cast<Real>(decay_2)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    const Real X_new2 = step.decay_2 * X_new;
    X = X_new2;
    w = w_new;
}

}  // namespace symplectic::bregman_polynomial

#ifndef __CUDACC_RTC__
// The C interface of bregman_polynomial.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct bregman_polynomial_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct bregman_polynomial_saved {
    unsigned long long steps;
};
struct bregman_polynomial_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int bregman_polynomial_init(
    bregman_polynomial_optimizer** made,
    const bregman_polynomial_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int bregman_polynomial_step(
    bregman_polynomial_optimizer* optimizer,
    const void* gradient,
    const symplectic::bregman_polynomial::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int bregman_polynomial_step_list(
    bregman_polynomial_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::bregman_polynomial::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int bregman_polynomial_save(
    bregman_polynomial_optimizer* optimizer,
    bregman_polynomial_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int bregman_polynomial_restore(
    bregman_polynomial_optimizer* optimizer,
    const bregman_polynomial_saved* saved,
    void* stream);
void bregman_polynomial_free(bregman_polynomial_optimizer* optimizer);
// What a return code other than 0 means.
const char* bregman_polynomial_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": (
        "beta/(2*k)*dot(X, X) + beta*c**2/k*(beta/beta0)**((p - 2)/(p + 1))*L\n  + (p + "
        "1)*h/(k*t0)*beta0**(1/(p + 1))*beta**(p/(p + 1))*U"
    ),
    "name": "bregman_polynomial",
    "target": "cuda",
    "dtype": "any",
    "integrator": "K C/2 B C/2",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "b248a2f481f673a5d1c305f673061a5e28d2533d35051009469d97e663763c04",
    "body_sha256": "6a6bcf12ac75dccec00f0a6236e28b4402c344395d4a896d405017d35fa4a360",
    "command": "symplectic-codegen generate --catalog bregman_polynomial --target cuda",
    "spec": {
        "format": 1,
        "title": "Bregman dynamics of polynomial rate",
        "description": (
            "Friction (p + 1)/(t + t0) and a loss that counts as (t + t0)^(p - 2): the rate is "
            "O(1/t^p). p =\n2 is Nesterov's law. The leapfrog of the clock: a kick, and a drift at "
            "the temperature of the\nmiddle of the step.\n"
        ),
        "hyperparameters": [
            {"name": "p", "default": "3", "bounds": "[1, 10]", "meaning": "order of the rate"},
            {"name": "t0", "bounds": "(0, oo)", "meaning": "time at which cooling sets in"},
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "offset",
                "default": "1",
                "bounds": "[1, oo)",
                "meaning": "steps before cooling sets in",
                "equals": "t0/tau",
            },
            {
                "name": "zeta",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "weight of the first gradient in the momenta",
                "equals": "tau*c**2/h",
            },
        ],
        "references": [
            (
                "A. Wibisono, A. Wilson, M. Jordan, A variational perspective on accelerated "
                "methods (2016)"
            ),
            "M. Betancourt, M. Jordan, A. Wilson, On symplectic optimization (2018)",
            (
                "V. Duruisseaux, M. Leok, Practical perspectives on symplectic accelerated "
                "optimization (2022)"
            ),
        ],
    },
}
*/
