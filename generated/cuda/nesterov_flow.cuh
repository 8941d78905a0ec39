// Nesterov's 3/t law.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in nesterov_flow.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes nesterov_flow.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + 3*h/(k*t0)*beta0**(1/3)*beta**(2/3)*U
//
// Update derived from it:
//   X <- (-1 + n + offset)**3*X/(n + offset)**3 + zeta*((n + offset)**4 - (-1 + n +
//       offset)**4)*G/(4*(n + offset)**3)
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   offset: steps before cooling sets in. In (0, inf); default 1.0.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = beta*t0³/(beta^(1/3)*t0 + beta₀^(1/3)*tau)³.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_NESTEROV_FLOW_CUH
#define SYMPLECTIC_CODEGEN_NESTEROV_FLOW_CUH

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

namespace symplectic::nesterov_flow {

#ifndef __CUDACC_RTC__
using std::pow;
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
    double offset_ = 1.0;  // steps before cooling sets in; in (0, inf)
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
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = power<3>(in.n - 1.0 + in.offset_) / power<3>(in.n + in.offset_);
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double part_2 = power<3>(in.n - 1.0 + in.offset_) + power<3>(in.n + in.offset_);
    const double part_1 = part_2 + power<2>(in.n - 1.0 + in.offset_) * (in.n + in.offset_);
    const double part_3 = power<2>(in.n + in.offset_) * (in.n - 1.0 + in.offset_);
    const double impulse = in.zeta * (part_1 + part_3) / (4.0 * power<3>(in.n + in.offset_));
    return {static_cast<Real>(in.lr), static_cast<Real>(decay), static_cast<Real>(impulse)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::nesterov_flow

#ifndef __CUDACC_RTC__
// The C interface of nesterov_flow.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct nesterov_flow_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct nesterov_flow_saved {
    unsigned long long steps;
};
struct nesterov_flow_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int nesterov_flow_init(
    nesterov_flow_optimizer** made,
    const nesterov_flow_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int nesterov_flow_step(
    nesterov_flow_optimizer* optimizer,
    const void* gradient,
    const symplectic::nesterov_flow::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int nesterov_flow_step_list(
    nesterov_flow_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::nesterov_flow::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int nesterov_flow_save(
    nesterov_flow_optimizer* optimizer,
    nesterov_flow_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int nesterov_flow_restore(
    nesterov_flow_optimizer* optimizer,
    const nesterov_flow_saved* saved,
    void* stream);
void nesterov_flow_free(nesterov_flow_optimizer* optimizer);
// What a return code other than 0 means.
const char* nesterov_flow_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + 3*h/(k*t0)*beta0**(1/3)*beta**(2/3)*U",
    "name": "nesterov_flow",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "aa9da2b0f9be8354225cf4ab547f0481c69a2abe030834abed58ba153270f314",
    "body_sha256": "a83608347cd8e7394aefd1d624a3970210dc986408ecd1ef3c24a571a21ea729",
    "command": "symplectic-codegen generate --catalog nesterov_flow --target cuda",
    "spec": {
        "format": 1,
        "title": "Nesterov's 3/t law",
        "description": (
            "A thermal parameter that grows as the cube of time, beta(t) = beta0*(1 + t/t0)**3: "
            "for t much\nlarger than t0 the friction is 3/t. This is the symplectic discretisation "
            "of that flow, not\nNesterov's method itself, which reads the gradient elsewhere.\n"
        ),
        "hyperparameters": [
            {"name": "t0", "bounds": "(0, oo)", "meaning": "time at which cooling sets in"},
        ],
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "offset",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "steps before cooling sets in",
                "equals": "t0/tau",
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
                "W. Su, S. Boyd, E. Candes, A differential equation for modeling Nesterov's "
                "accelerated gradient method (2014)"
            ),
        ],
    },
}
*/
