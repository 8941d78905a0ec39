// Cooling at a rate that follows the loss.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in loss_cooling.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes loss_cooling.cuh
//
// Hamiltonian:
//   beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*L*beta*U
//
// Update derived from it:
//   X <- X*exp(-L*rate) + (U*rate + zeta)*G*exp(-L*rate)
//   U_new <- -zeta/rate + U*exp(-L*rate) + zeta*exp(-L*rate)/rate + lr*sum(X**2)/2
//   w <- w - lr*X
//   U <- U_new
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   rate: cooling over a step at the loss 1. In [0, inf); default 0.1.
//   zeta: weight of a gradient in the momenta. In [0, inf); default 1.0.
//   U0: internal energy at the start. In (-inf, inf); default 0.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) alone the step has no constant conformal factor: kick and cooling moves beta
// by an amount that depends on w or X.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_LOSS_COOLING_CUH
#define SYMPLECTIC_CODEGEN_LOSS_COOLING_CUH

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

namespace symplectic::loss_cooling {

#ifndef __CUDACC_RTC__
using std::exp;
using std::expm1;
#endif

// (exp(x) - 1)/x, with its limit 1 at x = 0.
template <typename Real>
SYMPLECTIC_INLINE Real exprel(Real x) {
    if (x == Real(0)) {
        return Real(1);
    }
    const bool finite = x - x == Real(0);
    return expm1(x) / (finite || x < Real(0) ? x : Real(1));
}

struct Hyperparameters {
    double lr;  // learning rate; in [0, inf)
    double rate = 0.1;  // cooling over a step at the loss 1; in [0, inf)
    double zeta = 1.0;  // weight of a gradient in the momenta; in [0, inf)
    double U0 = 0.0;  // internal energy at the start; in (-inf, inf)
};

// What is kept between steps, in double precision.
struct State {
    double U;  // internal energy
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_;  // sum over all elements of X**2
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, State, Sums {
    double n;  // the number of the step: 1, 2, 3, ...
    double L;  // the value of the loss
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_;  // sum over all elements of X**2
};

// The state before the first step.
SYMPLECTIC_INLINE State initial(const Hyperparameters& in) {
    State next{};
    next.U = in.U0;
    return next;
}

// The state after the step.
SYMPLECTIC_INLINE State finish(const Inputs& in) {
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = exp(-in.L * in.rate);
    // coefficient of the internal energy
    const double energy_drift = in.lr / 2.0;
    // internal energy
    const double part_1 = in.L * in.zeta * exprel(-in.L * in.rate);
    const double U_new = in.U * decay + energy_drift * in.sum_ - part_1;
    State next = in;
    next.U = U_new;
    return next;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial {
    Real sum_;  // sum over all elements of X**2
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
    const double decay = exp(-in.L * in.rate);
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = (in.zeta + in.U * in.rate) * decay;
    return {static_cast<Real>(in.lr), static_cast<Real>(decay), static_cast<Real>(impulse)};
}

// One step for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void update(
    Real& w,
    Real G,
    Real& X,
    const Coefficients<Real>& step,
    Partial<Real>& sums) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    sums.sum_ += X_new * X_new;
    X = X_new;
    w = w_new;
}

}  // namespace symplectic::loss_cooling

#ifndef __CUDACC_RTC__
// The C interface of loss_cooling.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct loss_cooling_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct loss_cooling_saved {
    unsigned long long steps;
    symplectic::loss_cooling::State state;
};
struct loss_cooling_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int loss_cooling_init(
    loss_cooling_optimizer** made,
    const loss_cooling_array* arrays,
    long long count,
    int type,
    const symplectic::loss_cooling::Hyperparameters* hyperparameters,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int loss_cooling_step(
    loss_cooling_optimizer* optimizer,
    const void* gradient,
    const symplectic::loss_cooling::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int loss_cooling_step_list(
    loss_cooling_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::loss_cooling::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int loss_cooling_save(loss_cooling_optimizer* optimizer, loss_cooling_saved* saved, void* stream);
// Goes on from what `save` gave.
int loss_cooling_restore(
    loss_cooling_optimizer* optimizer,
    const loss_cooling_saved* saved,
    void* stream);
void loss_cooling_free(loss_cooling_optimizer* optimizer);
// What a return code other than 0 means.
const char* loss_cooling_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*L*beta*U",
    "name": "loss_cooling",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "a8e72a94b1e7967b1484a671066a69c2a91afbbde4f0989c0b3e180a8aef4f68",
    "body_sha256": "62853fd442a7c1f91b2bdfff46a43f6981c6f8b31bd878666c66666802ed061b",
    "command": "symplectic-codegen generate --catalog loss_cooling --target cuda",
    "spec": {
        "format": 1,
        "title": "Cooling at a rate that follows the loss",
        "description": (
            "Friction gamma*L: strong where the loss is high, vanishing with it. As the "
            "temperature feels the\nplace, its energy pushes the weights: the force contains U.\n"
        ),
        "reparametrization": [
            {"name": "lr", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "rate",
                "default": "1/10",
                "meaning": "cooling over a step at the loss 1",
                "equals": "gamma*tau",
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
                "A. Bravetti, M. Daza-Torres, H. Flores-Arguedas, M. Betancourt, Optimization "
                "algorithms inspired by the geometry of dissipative systems (2019)"
            ),
        ],
    },
}
*/
