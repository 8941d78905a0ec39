// SGD with momentum in the form of torch.optim.SGD.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in heavy_ball.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes heavy_ball.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + (1 - dampening)*G
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1]; default 0.9.
//   dampening: how much of the gradient is left out. In [0, 1]; default 0.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_HEAVY_BALL_CUH
#define SYMPLECTIC_CODEGEN_HEAVY_BALL_CUH

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

namespace symplectic::heavy_ball {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1]
    double dampening = 0.0;  // how much of the gradient is left out; in [0, 1]
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real momentum;  // what one step leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = 1.0 - in.dampening;
    return {static_cast<Real>(in.lr), static_cast<Real>(in.momentum), static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.momentum * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::heavy_ball

#ifndef __CUDACC_RTC__
// The C interface of heavy_ball.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct heavy_ball_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct heavy_ball_saved {
    unsigned long long steps;
};
struct heavy_ball_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int heavy_ball_init(
    heavy_ball_optimizer** made,
    const heavy_ball_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int heavy_ball_step(
    heavy_ball_optimizer* optimizer,
    const void* gradient,
    const symplectic::heavy_ball::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int heavy_ball_step_list(
    heavy_ball_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::heavy_ball::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int heavy_ball_save(heavy_ball_optimizer* optimizer, heavy_ball_saved* saved, void* stream);
// Goes on from what `save` gave.
int heavy_ball_restore(
    heavy_ball_optimizer* optimizer,
    const heavy_ball_saved* saved,
    void* stream);
void heavy_ball_free(heavy_ball_optimizer* optimizer);
// What a return code other than 0 means.
const char* heavy_ball_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "heavy_ball",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "1acb8c1856f4eb0f897e3794982f2228f85644a000fc20ae2339ec364be28cba",
    "body_sha256": "abb1f4cfe2819d7fa24157f17f7cfb6cbcbc4f7324f97c5f08bef5a08ca5ce11",
    "command": "symplectic-codegen generate --catalog heavy_ball --target cuda",
    "spec": {
        "format": 1,
        "title": "SGD with momentum in the form of torch.optim.SGD",
        "description": (
            "The same Hamiltonian as momentum, in the parameters of torch.optim.SGD: the gradient "
            "enters with\nweight 1 - dampening. (PyTorch starts its buffer with the full first "
            "gradient; with dampening = 0\nthat is the same.)\n"
        ),
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
                "name": "dampening",
                "default": "0",
                "bounds": "[0, 1]",
                "meaning": "how much of the gradient is left out",
                "equals": "1 - c**2/h*(1 - exp(-gamma*tau))/gamma",
            },
        ],
        "references": [
            "B. Polyak, Some methods of speeding up the convergence of iteration methods (1964)",
            "E. Hermosis, Learning Dynamics (2025), section Application",
        ],
    },
}
*/
