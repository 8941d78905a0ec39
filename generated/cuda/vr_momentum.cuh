// Velocity-regularised momentum.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in vr_momentum.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes vr_momentum.cuh
//
// Hamiltonian:
//   beta/k*(log(1 + b*dot(X, X))/(2*b) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + zeta*(1 - momentum)*G
//   w <- w - lr*X/(1 + b*sum(X**2))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//   b: strength of the regularisation. In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_VR_MOMENTUM_CUH
#define SYMPLECTIC_CODEGEN_VR_MOMENTUM_CUH

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

namespace symplectic::vr_momentum {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
    double zeta = 1.0;  // weight of the gradient average; in [0, inf)
    double b = 1.0;  // strength of the regularisation; in (0, inf)
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_;  // sum over all elements of X**2
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, Sums {
    double n;  // the number of the step: 1, 2, 3, ...
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_;  // sum over all elements of X**2
};

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real sum_;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 1, rounded once.
template <typename Real>
struct Coefficients_1 {
    Real momentum;  // what one step leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = in.zeta * (1.0 - in.momentum);
    return {static_cast<Real>(in.momentum), static_cast<Real>(impulse)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = step.momentum * X + step.impulse * G;
    sums.sum_ += X_new * X_new;
    X = X_new;
}

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real factor_;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    // the same for all elements
    const double factor_ = in.lr / (1.0 + in.b * in.sum_);
    return {static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, const Coefficients_2<Real>& step) {
    const Real w_new = w - step.factor_ * X;
    w = w_new;
}

}  // namespace symplectic::vr_momentum

#ifndef __CUDACC_RTC__
// The C interface of vr_momentum.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct vr_momentum_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct vr_momentum_saved {
    unsigned long long steps;
};
struct vr_momentum_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int vr_momentum_init(
    vr_momentum_optimizer** made,
    const vr_momentum_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int vr_momentum_step(
    vr_momentum_optimizer* optimizer,
    const void* gradient,
    const symplectic::vr_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int vr_momentum_step_list(
    vr_momentum_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::vr_momentum::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int vr_momentum_save(vr_momentum_optimizer* optimizer, vr_momentum_saved* saved, void* stream);
// Goes on from what `save` gave.
int vr_momentum_restore(
    vr_momentum_optimizer* optimizer,
    const vr_momentum_saved* saved,
    void* stream);
void vr_momentum_free(vr_momentum_optimizer* optimizer);
// What a return code other than 0 means.
const char* vr_momentum_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(log(1 + b*dot(X, X))/(2*b) + c**2*L) + h*gamma/k*beta*U",
    "name": "vr_momentum",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "4e5b0153ccf11734aca291ea3bebe2fe907c4911ccb8a784f81e873926d492d5",
    "body_sha256": "a20be6b5c2874d4a93d56fee8ff87e1ee5599d77e8b46c7cab3ba609e1ba9d7b",
    "command": "symplectic-codegen generate --catalog vr_momentum --target cuda",
    "spec": {
        "format": 1,
        "title": "Velocity-regularised momentum",
        "description": (
            "The ablation of VRAdam without Adam's metric: the learning rate lr/(1 + b*|X|^2) is "
            "the gradient\nof a kinetic energy. The speed is largest at |X| = 1/sqrt(b); beyond, "
            "the kinetic energy is not\nconvex.\n"
        ),
        "hyperparameters": [
            {
                "name": "b",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "strength of the regularisation",
            },
        ],
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
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            (
                "P. Vaidhyanathan, A. Schorling, N. Ares, M. Osborne, A physics-inspired "
                "optimizer: velocity regularized Adam (2025)"
            ),
        ],
    },
}
*/
