// Momentum with weight decay (L2).
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in weight_decay.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes weight_decay.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*(L + decay/2*dot(w, w)) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- decay*zeta*(1 - momentum)*w + momentum*X + zeta*(1 - momentum)*G
//   w <- w - lr*X
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1]; default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//   decay: strength of the harmonic potential. In [0, inf); default 0.0001.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_WEIGHT_DECAY_CUH
#define SYMPLECTIC_CODEGEN_WEIGHT_DECAY_CUH

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

namespace symplectic::weight_decay {

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1]
    double zeta = 1.0;  // weight of the gradient average; in [0, inf)
    double decay = 0.0001;  // strength of the harmonic potential; in [0, inf)
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
    Real pull;  // impulse of the weights: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = in.zeta * (1.0 - in.momentum);
    // impulse of the weights: time average of the thermal mass over the step
    const double pull = in.decay * in.zeta * (1.0 - in.momentum);
    return {
        static_cast<Real>(in.lr),
        static_cast<Real>(in.momentum),
        static_cast<Real>(impulse),
        static_cast<Real>(pull)};
}

// One step for one element.
template <typename Real>
SYMPLECTIC_INLINE void update(Real& w, Real G, Real& X, const Coefficients<Real>& step) {
    const Real X_new = step.pull * w + step.momentum * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::weight_decay

#ifndef __CUDACC_RTC__
// The C interface of weight_decay.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct weight_decay_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct weight_decay_saved {
    unsigned long long steps;
};
struct weight_decay_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state. With `on_device` not 0 the device counts the steps and computes their
// scalars: then steps can be captured into a graph, and skipped by `found_inf`.
int weight_decay_init(
    weight_decay_optimizer** made,
    const weight_decay_array* arrays,
    long long count,
    int type,
    int on_device,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int weight_decay_step(
    weight_decay_optimizer* optimizer,
    const void* gradient,
    const symplectic::weight_decay::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int weight_decay_step_list(
    weight_decay_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::weight_decay::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int weight_decay_save(weight_decay_optimizer* optimizer, weight_decay_saved* saved, void* stream);
// Goes on from what `save` gave.
int weight_decay_restore(
    weight_decay_optimizer* optimizer,
    const weight_decay_saved* saved,
    void* stream);
void weight_decay_free(weight_decay_optimizer* optimizer);
// What a return code other than 0 means.
const char* weight_decay_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*(L + decay/2*dot(w, w)) + h*gamma/k*beta*U",
    "name": "weight_decay",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "cdb650378d64d1d3eb9846cfca34748e0357d5e8a702f257f14cdb73fffa8798",
    "body_sha256": "41e969c0088b5b4e814b3b647d55b5525c3be7a840ed2b5403546218ab59a157",
    "command": "symplectic-codegen generate --catalog weight_decay --target cuda",
    "spec": {
        "format": 1,
        "title": "Momentum with weight decay (L2)",
        "description": (
            "A harmonic potential with the same thermal mass as the loss: the L2 penalty, i.e. "
            "what\nweight_decay of torch.optim.SGD does (coupled decay, through the momenta), not "
            "the decoupled\ndecay of AdamW. The paper's own term lambda/2*w**2 has no factor beta "
            "and fades under cooling: see\nfading_weight_decay.\n"
        ),
        "hyperparameters": [
            {
                "name": "decay",
                "default": "1/10000",
                "meaning": "strength of the harmonic potential",
            },
        ],
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
                "name": "zeta",
                "default": "1",
                "meaning": "weight of the gradient average",
                "equals": "c**2/(h*gamma)",
            },
        ],
        "references": [
            "A. Krogh, J. Hertz, A simple weight decay can improve generalization (1992)",
            "E. Hermosis, Learning Dynamics (2025), section Application",
        ],
    },
}
*/
