// AdaBelief.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in adabelief.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes adabelief.cuh
//
// Hamiltonian:
//   beta/(2*k)*sum(X**2/(sqrt(average((G - (1 - exp(-gamma*t))*X)**2 + small, nu)) + eps))   +
//       (beta + b)*c**2/k*L + h*gamma/k*(beta + b)*U
//
// Update derived from it:
//   X <- (-beta1**n + beta1)*X/(1 - beta1**n) + (1 - beta1)*G/(1 - beta1**n)
//   average(small + (G - X*(1 - exp(-gamma*t)))**2, nu) <- (-beta2**n + beta2)*average(small + (G -
//       X*(1 - exp(-gamma*t)))**2, nu)/(1 - beta2**n) + (1 - beta2)*(eps_square/(1 - beta2) + (-(1
//       - beta1**n)*X + G)**2)/(1 - beta2**n)
//   w <- w - lr*X/(eps + sqrt(average(small + (G - X*(1 - exp(-gamma*t)))**2, nu)))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); default 0.001.
//   beta1: decay rate of the first moment. In [0, 1); default 0.9.
//   beta2: decay rate of the second moment. In [0, 1); default 0.999.
//   eps_square: added to the second moment in each step. In [0, inf); default 1e-16.
//   eps: added to the root of the second moment. In [0, inf); default 1e-16.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = beta/((b + beta)*exp(gamma*tau) - b) at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_ADABELIEF_CUH
#define SYMPLECTIC_CODEGEN_ADABELIEF_CUH

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

namespace symplectic::adabelief {

#ifndef __CUDACC_RTC__
using std::expm1;
using std::log;
using std::pow;
using std::sqrt;
#endif

// x**y - 1 for x >= 0, without cancellation for x near 1.
template <typename Real>
SYMPLECTIC_INLINE Real powm1(Real x, Real y) {
    return x > Real(0) ? expm1(y * log(x)) : pow(x, y) - Real(1);
}

struct Hyperparameters {
    double lr = 0.001;  // learning rate; in [0, inf)
    double beta1 = 0.9;  // decay rate of the first moment; in [0, 1)
    double beta2 = 0.999;  // decay rate of the second moment; in [0, 1)
    double eps_square = 1e-16;  // added to the second moment in each step; in [0, inf)
    double eps = 1e-16;  // added to the root of the second moment; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real eps;  // added to the root of the second moment
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
    Real memory;  // what stays of average(small + (G - X*(1 - exp(-gamma*t)))**2, nu)
    Real intake;  // what comes in
    Real scale;  // scalar of the step
    Real scale_2;  // scalar of the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    const double common = powm1(in.beta1, in.n);
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = in.beta1 * powm1(in.beta1, in.n - 1.0) / common;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = (in.beta1 - 1.0) / common;
    const double common_2 = powm1(in.beta2, in.n);
    // what stays of average(small + (G - X*(1 - exp(-gamma*t)))**2, nu)
    const double memory = in.beta2 * powm1(in.beta2, in.n - 1.0) / common_2;
    // what comes in
    const double intake = (in.beta2 - 1.0) / common_2;
    // scalar of the step
    const double scale = -common;
    // scalar of the step
    const double scale_2 = in.eps_square / (1.0 - in.beta2);
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(in.eps),
        static_cast<Real>(decay),
        static_cast<Real>(impulse),
        static_cast<Real>(memory),
        static_cast<Real>(intake),
        static_cast<Real>(scale),
        static_cast<Real>(scale_2)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, Real& M, const Coefficients<Real>& step) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real shared = step.scale * X_new;
    const Real shared_2 = G - shared;
    const Real M_new = step.memory * M + step.intake * (step.scale_2 + shared_2 * shared_2);
    const Real w_new = w - step.lr * X_new / (step.eps + sqrt(M_new));
    M = M_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::adabelief

#ifndef __CUDACC_RTC__
// The C interface of adabelief.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct adabelief_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    void* M;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct adabelief_saved {
    unsigned long long steps;
};
struct adabelief_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int adabelief_init(
    adabelief_optimizer** made,
    const adabelief_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int adabelief_step(
    adabelief_optimizer* optimizer,
    const void* gradient,
    const symplectic::adabelief::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int adabelief_step_list(
    adabelief_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::adabelief::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int adabelief_save(adabelief_optimizer* optimizer, adabelief_saved* saved, void* stream);
// Goes on from what `save` gave.
int adabelief_restore(adabelief_optimizer* optimizer, const adabelief_saved* saved, void* stream);
void adabelief_free(adabelief_optimizer* optimizer);
// What a return code other than 0 means.
const char* adabelief_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": (
        "beta/(2*k)*sum(X**2/(sqrt(average((G - (1 - exp(-gamma*t))*X)**2 + small, nu)) + eps))\n  "
        "+ (beta + b)*c**2/k*L + h*gamma/k*(beta + b)*U"
    ),
    "name": "adabelief",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "76be766bb155d26d95d8b28396e00e7fcc6e88a5daca2e27d2835b183991b647",
    "body_sha256": "ef6791636f287113468c759d5ad0709fdbfcc815f87d04c131989170356513f5",
    "command": "symplectic-codegen generate --catalog adabelief --target cuda",
    "spec": {
        "format": 1,
        "title": "AdaBelief",
        "description": (
            "Adam with the memory of what the momenta did not foresee: (1 - exp(-gamma*t))*X is "
            "the average\nof the gradients before its bias correction. As the authors do, a small "
            "number is added to the\nsecond moment in each step.\n"
        ),
        "hyperparameters": [
            {
                "name": "beta0",
                "default": "0",
                "bounds": "[0, 0]",
                "meaning": "infinite temperature at the start",
            },
            {"name": "small", "meaning": "added to each square"},
            {"name": "nu", "meaning": "relaxation rate of the metric"},
            {
                "name": "eps",
                "default": "1/10000000000000000",
                "meaning": "added to the root of the second moment",
            },
            {
                "name": "b",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "shift of the thermal parameter",
            },
        ],
        "reparametrization": [
            {"name": "lr", "default": "1/1000", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "beta1",
                "default": "9/10",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the first moment",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "beta2",
                "default": "999/1000",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the second moment",
                "equals": "exp(-nu*tau)",
            },
            {
                "name": "eps_square",
                "default": "1/10000000000000000",
                "meaning": "added to the second moment in each step",
                "equals": "small*(1 - exp(-nu*tau))",
            },
            {
                "name": "gain",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            (
                "J. Zhuang et al., AdaBelief optimizer: adapting stepsizes by the belief in "
                "observed gradients (2020)"
            ),
            "D. Guskov, V. Vanchurin, Covariant gradient descent (2025)",
        ],
    },
}
*/
