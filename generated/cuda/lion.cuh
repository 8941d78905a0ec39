// Lion.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in lion.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes lion.cuh
//
// Hamiltonian:
//   beta/k*(norm1(X) + c**2*L) + h/k*(gamma + lam)*beta*U + h*lam/k*beta*dot(X, w)
//
// Update derived from it:
//   X <- beta2*X + (1 - beta2)*G
//   w <- (1 - lr*weight_decay)*w
//   X_ahead <- beta1*X/beta2 + (-beta1 + beta2)*G/beta2
//   w <- -lr*sign(X_ahead) + w
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); default 0.0001.
//   beta1: decay rate of the momenta that are read. In [0, 1); default 0.9.
//   beta2: decay rate of the momenta. In [0, 1); default 0.99.
//   weight_decay: decoupled decay of the weights, in units of lr. In [0, inf); default 0.0.
//
// Proved: The pieces kick, cooling, dilation and drift of the step on (U, w, beta, X) are each
// exactly symplectic away from the kinks of H (there the subgradient rule is used).
//
// Proved: On (w, X) the pieces kick, cooling, dilation and drift of the step are each conformally
// symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t) = exp(-(gamma + λ)*tau).
//
// Proved: The readout [C(theta) K(phi)] B reads the momenta where these would take them; the
// bracket of w and X is kept.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_LION_CUH
#define SYMPLECTIC_CODEGEN_LION_CUH

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

namespace symplectic::lion {

// -1, 0 or 1; NaN stays NaN.
template <typename Real>
SYMPLECTIC_INLINE Real sign(Real x) {
    return x > Real(0) ? Real(1) : (x < Real(0) ? Real(-1) : x);
}

struct Hyperparameters {
    double lr = 0.0001;  // learning rate; in [0, inf)
    double beta1 = 0.9;  // decay rate of the momenta that are read; in [0, 1)
    double beta2 = 0.99;  // decay rate of the momenta; in [0, 1)
    double weight_decay = 0.0;  // decoupled decay of the weights, in units of lr; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real beta2;  // decay rate of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
    Real shrink;  // decay of the weights
    Real decay_2;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse_2;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = 1.0 - in.beta2;
    // decay of the weights
    const double shrink = 1.0 - in.lr * in.weight_decay;
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay_2 = in.beta1 / in.beta2;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse_2 = (in.beta2 - in.beta1) / in.beta2;
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(in.beta2),
        static_cast<Real>(impulse),
        static_cast<Real>(shrink),
        static_cast<Real>(decay_2),
        static_cast<Real>(impulse_2)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.beta2 * X + step.impulse * G;
    const Real w_new = step.shrink * w;
    const Real X_ahead_new = step.decay_2 * X_new + step.impulse_2 * G;
    const Real w_new2 = w_new - step.lr * sign(X_ahead_new);
    X = X_new;
    w = w_new2;
}

}  // namespace symplectic::lion

#ifndef __CUDACC_RTC__
// The C interface of lion.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct lion_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct lion_saved {
    unsigned long long steps;
};
struct lion_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int lion_init(
    lion_optimizer** made,
    const lion_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int lion_step(
    lion_optimizer* optimizer,
    const void* gradient,
    const symplectic::lion::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int lion_step_list(
    lion_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::lion::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int lion_save(lion_optimizer* optimizer, lion_saved* saved, void* stream);
// Goes on from what `save` gave.
int lion_restore(lion_optimizer* optimizer, const lion_saved* saved, void* stream);
void lion_free(lion_optimizer* optimizer);
// What a return code other than 0 means.
const char* lion_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(norm1(X) + c**2*L) + h/k*(gamma + lam)*beta*U + h*lam/k*beta*dot(X, w)",
    "name": "lion",
    "target": "cuda",
    "dtype": "any",
    "integrator": "C K D [C(theta) K(phi)] B",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "109fadc3f5b74b8786b5da82d26b0c131d57108145c11950a6fdeee2895dd669",
    "body_sha256": "c26a703158d2c867b00653fc3ddc8c7fc4322d512f1e784cdf833cc55c8df9aa",
    "command": "symplectic-codegen generate --catalog lion --target cuda",
    "spec": {
        "format": 1,
        "description": (
            "The kinetic energy is the sum of the absolute values, and the drift is made with "
            "momenta that\nare read ahead: after cooling by the part theta and a kick by the part "
            "phi of a step. The\nreadout leaves the Hamiltonian class; the decay of the weights is "
            "the flow of the dilation, as\nin AdamW.\n"
        ),
        "hyperparameters": [
            {"name": "lam", "meaning": "rate at which the weights decay"},
            {"name": "theta", "meaning": "part of the cooling that is read ahead"},
            {"name": "phi", "meaning": "part of the kick that is read ahead"},
        ],
        "reparametrization": [
            {"name": "lr", "default": "1/10000", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "beta1",
                "default": "9/10",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the momenta that are read",
                "equals": "exp(-(gamma + lam)*theta*tau - gamma*tau)",
            },
            {
                "name": "beta2",
                "default": "99/100",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the momenta",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "weight_decay",
                "default": "0",
                "meaning": "decoupled decay of the weights, in units of lr",
                "equals": "(1 - exp(-lam*tau))*h/tau",
            },
            {
                "name": "intake",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "weight of the gradient average",
                "equals": "c**2*tau/h*exp(lam*tau)/(1 - exp(-gamma*tau))",
            },
            {
                "name": "gain",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "weight of the gradient in the momenta that are read",
                "equals": (
                    "phi*(1 - exp(-gamma*tau))*exp(-lam*tau)/(1 - exp(-(gamma + lam)*theta*tau))"
                ),
            },
        ],
        "references": [
            "X. Chen et al., Symbolic discovery of optimization algorithms (2023)",
            (
                "L. Chen, B. Liu, K. Liang, Q. Liu, Lion secretly solves constrained optimization "
                "(2023)"
            ),
        ],
    },
}
*/
