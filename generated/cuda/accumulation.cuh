// Gradient accumulation at constant temperature.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in accumulation.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes accumulation.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L
//
// Update derived from it:
//   X <- X + zeta*G
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = 1.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_ACCUMULATION_CUH
#define SYMPLECTIC_CODEGEN_ACCUMULATION_CUH

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

namespace symplectic::accumulation {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double zeta = 1.0;  // weight of a gradient in the momenta; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real lr;  // learning rate
    Real zeta;  // weight of a gradient in the momenta
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    return {static_cast<Real>(in.lr), static_cast<Real>(in.zeta)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = X + step.zeta * G;
    const Real w_new = w - step.lr * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::accumulation

#ifndef __CUDACC_RTC__
// The C interface of accumulation.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct accumulation_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct accumulation_saved {
    unsigned long long steps;
};
struct accumulation_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int accumulation_init(
    accumulation_optimizer** made,
    const accumulation_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int accumulation_step(
    accumulation_optimizer* optimizer,
    const void* gradient,
    const symplectic::accumulation::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int accumulation_step_list(
    accumulation_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::accumulation::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int accumulation_save(accumulation_optimizer* optimizer, accumulation_saved* saved, void* stream);
// Goes on from what `save` gave.
int accumulation_restore(
    accumulation_optimizer* optimizer,
    const accumulation_saved* saved,
    void* stream);
void accumulation_free(accumulation_optimizer* optimizer);
// What a return code other than 0 means.
const char* accumulation_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L",
    "name": "accumulation",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "3ea0219319e1822959cbae5e9bbe688d93ede3ec0e7308eafdc58146f891a39b",
    "body_sha256": "1bf862e763f4fdf51ba0a09a46a0f94f3a36e7ba7724eedbcbef85d9a9f5b446",
    "command": "symplectic-codegen generate --catalog accumulation --target cuda",
    "spec": {
        "format": 1,
        "title": "Gradient accumulation at constant temperature",
        "description": (
            'The paper\'s "SGD": a constant thermal mass makes the momenta a sum of all gradients '
            "so far. Nothing\nis ever forgotten, so near a minimum the weights oscillate for ever: "
            "this is momentum without\nfriction, not gradient descent, which is the overdamped "
            "limit (entry gradient_descent).\n"
        ),
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "zeta",
                "default": "1",
                "meaning": "weight of a gradient in the momenta",
                "equals": "tau*c**2/h",
            },
        ],
        "references": ["E. Hermosis, Learning Dynamics (2025), section Application"],
    },
}
*/
