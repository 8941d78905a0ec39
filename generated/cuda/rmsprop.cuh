// RMSProp.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in rmsprop.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes rmsprop.cuh
//
// Hamiltonian:
//   beta/(2*k)*sum(X**2/(sqrt(ema(G**2, nu)) + eps)) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- G
//   ema(G**2, nu) <- alpha*ema(G**2, nu) + G**2*(1 - alpha)
//   w <- w - lr*X/(eps + sqrt(ema(G**2, nu)))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); default 0.01.
//   alpha: decay rate of the second moment. In [0, 1]; default 0.99.
//   eps: added to the root of the second moment. In [0, inf); default 1e-08.
//
// Proved: Before the limit momentum -> 0: the step on (U, w, beta, X) is exactly symplectic at
// given memory fields (these follow the gradient and are not Hamiltonian).
//
// Proved: Before the limit momentum -> 0: on (w, X) the step is conformally symplectic: sum of
// dX^dw is multiplied by beta(t-tau)/beta(t) = exp(-gamma*tau) at given memory fields (these
// follow the gradient and are not Hamiltonian).
//
// Proved: Before the limit momentum -> 0: order 1: the step agrees with the equations of motion
// through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RMSPROP_CUH
#define SYMPLECTIC_CODEGEN_RMSPROP_CUH

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

namespace symplectic::rmsprop {

#ifndef __CUDACC_RTC__
using std::sqrt;
#endif

struct Hyperparameters {
    double lr = 0.01;  // learning rate; in [0, inf)
    double alpha = 0.99;  // decay rate of the second moment; in [0, 1]
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
    Real alpha;  // decay rate of the second moment
    Real eps;  // added to the root of the second moment
    Real intake;  // what comes in
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // what comes in
    const double intake = 1.0 - in.alpha;
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(in.alpha),
        static_cast<Real>(in.eps),
        static_cast<Real>(intake)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& M, const Coefficients<Real>& step) {
    const Real X_new = G;
    const Real M_new = step.alpha * M + step.intake * (G * G);
    const Real w_new = w - step.lr * X_new / (step.eps + sqrt(M_new));
    M = M_new;
    w = w_new;
}

}  // namespace symplectic::rmsprop

#ifndef __CUDACC_RTC__
// The C interface of rmsprop.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct rmsprop_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* M;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct rmsprop_saved {
    unsigned long long steps;
};
struct rmsprop_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int rmsprop_init(
    rmsprop_optimizer** made,
    const rmsprop_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int rmsprop_step(
    rmsprop_optimizer* optimizer,
    const void* gradient,
    const symplectic::rmsprop::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int rmsprop_step_list(
    rmsprop_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::rmsprop::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int rmsprop_save(rmsprop_optimizer* optimizer, rmsprop_saved* saved, void* stream);
// Goes on from what `save` gave.
int rmsprop_restore(rmsprop_optimizer* optimizer, const rmsprop_saved* saved, void* stream);
void rmsprop_free(rmsprop_optimizer* optimizer);
// What a return code other than 0 means.
const char* rmsprop_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": (
        "beta/(2*k)*sum(X**2/(sqrt(ema(G**2, nu)) + eps)) + beta*c**2/k*L + h*gamma/k*beta*U"
    ),
    "name": "rmsprop",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "a5870615d70c3bde7b3d97ba35480d8ca08eaeecd9c2efb10383c46abd5e3c05",
    "body_sha256": "85cd458d5ab56f480f0aa4d0ee5cd9ed8dbabe2d1e34e4083ef201a27629dd92",
    "command": "symplectic-codegen generate --catalog rmsprop --target cuda",
    "spec": {
        "format": 1,
        "title": "RMSProp",
        "description": "The overdamped limit with a memory of the squared gradients as metric.\n",
        "hyperparameters": [
            {"name": "nu", "meaning": "relaxation rate of the metric"},
            {
                "name": "eps",
                "default": "1/100000000",
                "meaning": "added to the root of the second moment",
            },
        ],
        "reparametrization": [
            {"name": "lr", "default": "1/100", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "alpha",
                "default": "99/100",
                "bounds": "[0, 1]",
                "meaning": "decay rate of the second moment",
                "equals": "exp(-nu*tau)",
            },
            {
                "name": "momentum",
                "default": "0",
                "bounds": "[0, 0]",
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
        "references": [
            "G. Hinton, Neural networks for machine learning, lecture 6e (2012)",
            "D. Guskov, V. Vanchurin, Covariant gradient descent (2025)",
            "E. Hermosis, Learning Dynamics (2025), left there as future work",
        ],
    },
}
*/
