// Nesterov's method with a constant momentum, as in torch.optim.SGD.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in nesterov.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes nesterov.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   w <- w - lr*momentum*X - lr*zeta*(1 + momentum)*G
//   X <- momentum*X + momentum*zeta*G
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//
// Proved: The pieces kick, cooling and drift of the step on (U, w, beta, X) are each exactly
// symplectic.
//
// Proved: On (w, X) the pieces kick, cooling and drift of the step are each conformally
// symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: The readout [B] K reads the gradient where these would take the weights, and leaves the
// Hamiltonian class: the bracket of w and X is not multiplied by a constant.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_NESTEROV_CUH
#define SYMPLECTIC_CODEGEN_NESTEROV_CUH

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

namespace symplectic::nesterov {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
    double zeta = 1.0;  // weight of a gradient in the momenta; in [0, inf)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real momentum;  // what one step leaves of the momenta
    Real rate;  // learning rate of the momenta
    Real step_;  // learning rate of the gradient itself
    Real impulse;  // impulse of the loss gradient
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // learning rate of the momenta
    const double rate = in.lr * in.momentum;
    // learning rate of the gradient itself
    const double step_ = in.lr * in.zeta * (1.0 + in.momentum);
    // impulse of the loss gradient
    const double impulse = in.momentum * in.zeta;
    return {
        static_cast<Real>(in.momentum),
        static_cast<Real>(rate),
        static_cast<Real>(step_),
        static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real w_new = w - step.rate * X - step.step_ * G;
    const Real X_new = step.momentum * X + step.impulse * G;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::nesterov

#ifndef __CUDACC_RTC__
// The C interface of nesterov.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct nesterov_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct nesterov_saved {
    unsigned long long steps;
};
struct nesterov_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int nesterov_init(
    nesterov_optimizer** made,
    const nesterov_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int nesterov_step(
    nesterov_optimizer* optimizer,
    const void* gradient,
    const symplectic::nesterov::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int nesterov_step_list(
    nesterov_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::nesterov::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int nesterov_save(nesterov_optimizer* optimizer, nesterov_saved* saved, void* stream);
// Goes on from what `save` gave.
int nesterov_restore(nesterov_optimizer* optimizer, const nesterov_saved* saved, void* stream);
void nesterov_free(nesterov_optimizer* optimizer);
// What a return code other than 0 means.
const char* nesterov_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "nesterov",
    "target": "cuda",
    "dtype": "any",
    "integrator": "nesterov",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "47ee34e85d092de721de4df4fa7b2459c7a95fe732a7cc39b6b399ff56e97cfa",
    "body_sha256": "ee8f1307ad814f1ddc3a8bed49c716b0664eac6c8eb39f41730e2b97aebf00f0",
    "command": "symplectic-codegen generate --catalog nesterov --target cuda",
    "spec": {
        "format": 1,
        "title": "Nesterov's method with a constant momentum, as in torch.optim.SGD",
        "description": (
            "The heavy ball with the gradient read where cooling and drift would take the weights: "
            "a readout,\nwhich leaves the Hamiltonian class. The optimizer stores the weights at "
            "which the gradient is\nread, as torch.optim.SGD does with nesterov=True; `trajectory` "
            "in the report gives the way back.\n"
        ),
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "momentum",
                "default": "9/10",
                "bounds": "[0, 1)",
                "meaning": "what one step leaves of the momenta",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "zeta",
                "default": "1",
                "meaning": "weight of a gradient in the momenta",
                "equals": "tau*c**2/h",
            },
        ],
        "references": [
            (
                "Y. Nesterov, A method for solving the convex programming problem with convergence "
                "rate O(1/k^2) (1983)"
            ),
            (
                "G. Franca, J. Sulam, D. Robinson, R. Vidal, Conformal symplectic and relativistic "
                "optimization (2020)"
            ),
        ],
    },
}
*/
