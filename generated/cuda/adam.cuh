// Adam.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in adam.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes adam.cuh
//
// Hamiltonian:
//   beta/(2*k)*sum(X**2/(sqrt(average(G**2, nu)) + eps)) + (beta + b)*c**2/k*L + h*gamma/k*(beta +
//       b)*U
//
// Update derived from it:
//   X <- (-beta1**n + beta1)*X/(1 - beta1**n) + (1 - beta1)*G/(1 - beta1**n)
//   average(G**2, nu) <- (-beta2**n + beta2)*average(G**2, nu)/(1 - beta2**n) + G**2*(1 - beta2)/(1
//       - beta2**n)
//   w <- w - lr*X/(eps + sqrt(average(G**2, nu)))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); default 0.001.
//   beta1: decay rate of the first moment. In [0, 1); default 0.9.
//   beta2: decay rate of the second moment. In [0, 1); default 0.999.
//   eps: added to the root of the second moment. In [0, inf); default 1e-08.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = beta/((b + beta)*exp(gamma*tau) - b) at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_ADAM_CUH
#define SYMPLECTIC_CODEGEN_ADAM_CUH

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

namespace symplectic::adam {

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
    double eps = 1e-08;  // added to the root of the second moment; in [0, inf)
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
    Real memory;  // what stays of average(G**2, nu)
    Real intake;  // what comes in
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    const double common = powm1(in.beta1, in.n);
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = in.beta1 * powm1(in.beta1, in.n - 1.0) / common;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = (in.beta1 - 1.0) / common;
    const double common_2 = powm1(in.beta2, in.n);
    // what stays of average(G**2, nu)
    const double memory = in.beta2 * powm1(in.beta2, in.n - 1.0) / common_2;
    // what comes in
    const double intake = (in.beta2 - 1.0) / common_2;
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(in.eps),
        static_cast<Real>(decay),
        static_cast<Real>(impulse),
        static_cast<Real>(memory),
        static_cast<Real>(intake)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, Real& M, const Coefficients<Real>& step) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real M_new = step.memory * M + step.intake * (G * G);
    const Real w_new = w - step.lr * X_new / (step.eps + sqrt(M_new));
    M = M_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::adam

#ifndef __CUDACC_RTC__
// The C interface of adam.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct adam_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    void* M;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct adam_saved {
    unsigned long long steps;
};
struct adam_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int adam_init(
    adam_optimizer** made,
    const adam_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int adam_step(
    adam_optimizer* optimizer,
    const void* gradient,
    const symplectic::adam::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int adam_step_list(
    adam_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::adam::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int adam_save(adam_optimizer* optimizer, adam_saved* saved, void* stream);
// Goes on from what `save` gave.
int adam_restore(adam_optimizer* optimizer, const adam_saved* saved, void* stream);
void adam_free(adam_optimizer* optimizer);
// What a return code other than 0 means.
const char* adam_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": (
        "beta/(2*k)*sum(X**2/(sqrt(average(G**2, nu)) + eps)) + (beta + b)*c**2/k*L + "
        "h*gamma/k*(beta + b)*U"
    ),
    "name": "adam",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "57eddecb4ce7e60b406bdd99d7b2f71a8ffa7c4d39fdc2b9272370d8d786e615",
    "body_sha256": "4fbae4260d98eb4ba1d66b86940f982de479effb84bf9e4e32c00edbb6ae5c9f",
    "command": "symplectic-codegen generate --catalog adam --target cuda",
    "spec": {
        "format": 1,
        "description": (
            "The metric of the kinetic energy is a memory of the squared gradients; the profile is "
            "that of\ndebiased_momentum. Both bias corrections are derived: that of the first "
            "moment is the cooling from\ninfinite temperature, that of the second the "
            "normalisation of the average.\n"
        ),
        "hyperparameters": [
            {
                "name": "beta0",
                "default": "0",
                "bounds": "[0, 0]",
                "meaning": "infinite temperature at the start",
            },
            {"name": "nu", "meaning": "relaxation rate of the metric"},
            {
                "name": "eps",
                "default": "1/100000000",
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
                "name": "gain",
                "default": "1",
                "bounds": "[1, 1]",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            "D. Kingma, J. Ba, Adam: a method for stochastic optimization (2014)",
            "D. Guskov, V. Vanchurin, Covariant gradient descent (2025)",
            "E. Hermosis, Learning Dynamics (2025), left there as future work",
        ],
    },
}
*/
