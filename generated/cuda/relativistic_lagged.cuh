// Relativistic momentum in one sweep.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in relativistic_lagged.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes relativistic_lagged.cuh
//
// Hamiltonian:
//   beta/k*(speed*sqrt(dot(X, X) + speed**2) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   known <- sum(X**2)
//   w <- w - lr*speed*X/sqrt(known + speed**2) + lr*speed*X/sqrt(known_before + speed**2)
//   X <- momentum*X + zeta*(1 - momentum)*G
//   w <- w - lr*speed*X/sqrt(known + speed**2)
//   known_before <- known
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//   speed: speed limit, in units of lr per step. In (0, inf); default 1.0.
//
// Proved: The pieces kick and cooling and drift of the step on (U, w, beta, X) are each exactly
// symplectic.
//
// Proved: On (w, X) the pieces kick and cooling and drift of the step are each conformally
// symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Consistent with the equations of motion: the step agrees through tau^1.

#ifndef SYMPLECTIC_CODEGEN_RELATIVISTIC_LAGGED_CUH
#define SYMPLECTIC_CODEGEN_RELATIVISTIC_LAGGED_CUH

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

namespace symplectic::relativistic_lagged {

#ifndef __CUDACC_RTC__
using std::pow;
using std::sqrt;
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
    double momentum = 0.9;  // what one step leaves of the momenta; in [0, 1)
    double zeta = 1.0;  // weight of the gradient average; in [0, inf)
    double speed = 1.0;  // speed limit, in units of lr per step; in (0, inf)
};

// What is kept between steps, in double precision.
struct State {
    double known_before;  // the sum that the last drift was made with
};

// Sums over the parameters that take part in the step.
struct Totals {
    double total_1;
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, State, Totals {
    double n;  // the number of the step: 1, 2, 3, ...
};

// What is kept between steps for each parameter, in double precision.
struct BlockState {
    double known_sum;  // sum of X**2
};

// Sums over the elements of one parameter.
struct ArraySums {
    double next_sum;  // sum over the elements of each parameter of X**2
};

// What one parameter has of its own.
struct Block : BlockState, ArraySums {};

// The state before the first step.
SYMPLECTIC_INLINE State initial(const Hyperparameters&) {
    State next{};
    next.known_before = 0.0;
    return next;
}

// What one parameter adds to total_1.
SYMPLECTIC_INLINE double total_1(const Inputs&, const Block& block) {
    const double summand = block.known_sum;
    return summand;
}

// The state after the step.
SYMPLECTIC_INLINE State finish(const Inputs& in) {
    // sum over all elements of X**2, from the step before
    const double sum_ = in.total_1;
    State next = in;
    next.known_before = sum_;
    return next;
}

// The state of one parameter after the step.
SYMPLECTIC_INLINE BlockState finish_block(const Inputs&, const Block& block) {
    BlockState next = block;
    next.known_sum = block.next_sum;
    return next;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial {
    Real next_sum;  // sum over the elements of each parameter of X**2
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real momentum;  // what one step leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
    Real factor_;  // the same for all elements
    Real factor_2;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // sum over all elements of X**2, from the step before
    const double sum_ = in.total_1;
    // learning rate of the drift
    const double rate = in.lr * in.speed;
    // scalar of the step
    const double scale = 1.0 / sqrt(sum_ + power<2>(in.speed));
    // scalar of the step
    const double scale_2 = 1.0 / sqrt(in.known_before + power<2>(in.speed));
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = in.zeta * (1.0 - in.momentum);
    // the same for all elements
    const double factor_ = rate * scale_2;
    // the same for all elements
    const double factor_2 = rate * scale;
    return {
        static_cast<Real>(in.momentum),
        static_cast<Real>(impulse),
        static_cast<Real>(factor_),
        static_cast<Real>(factor_2)};
}

// One step for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void update(
    Real& w,
    Real G,
    Real& X,
    const Coefficients<Real>& step,
    Partial<Real>& sums) {
    const Real w_new = w + step.factor_ * X - step.factor_2 * X;
    const Real X_new = step.momentum * X + step.impulse * G;
    const Real w_new2 = w_new - step.factor_2 * X_new;
    sums.next_sum += X_new * X_new;
    X = X_new;
    w = w_new2;
}

}  // namespace symplectic::relativistic_lagged

#ifndef __CUDACC_RTC__
// The C interface of relativistic_lagged.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct relativistic_lagged_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct relativistic_lagged_saved {
    unsigned long long steps;
    symplectic::relativistic_lagged::State state;
};
struct relativistic_lagged_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int relativistic_lagged_init(
    relativistic_lagged_optimizer** made,
    const relativistic_lagged_array* arrays,
    long long count,
    int type,
    const symplectic::relativistic_lagged::Hyperparameters* hyperparameters,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int relativistic_lagged_step(
    relativistic_lagged_optimizer* optimizer,
    const void* gradient,
    const symplectic::relativistic_lagged::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int relativistic_lagged_step_list(
    relativistic_lagged_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::relativistic_lagged::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int relativistic_lagged_save(
    relativistic_lagged_optimizer* optimizer,
    relativistic_lagged_saved* saved,
    symplectic::relativistic_lagged::BlockState* blocks,
    void* stream);
// Goes on from what `save` gave.
int relativistic_lagged_restore(
    relativistic_lagged_optimizer* optimizer,
    const relativistic_lagged_saved* saved,
    const symplectic::relativistic_lagged::BlockState* blocks,
    void* stream);
void relativistic_lagged_free(relativistic_lagged_optimizer* optimizer);
// What a return code other than 0 means.
const char* relativistic_lagged_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(speed*sqrt(dot(X, X) + speed**2) + c**2*L) + h*gamma/k*beta*U",
    "name": "relativistic_lagged",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lagged-norm",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "cbe32093e831557230082886576a950fba319b793d206b4a021e1007e6df151a",
    "body_sha256": "caa9073f725c111b21a171a92b031399fb38de591ce2471cdd798454080f2243",
    "command": "symplectic-codegen generate --catalog relativistic_lagged --target cuda",
    "spec": {
        "format": 1,
        "title": "Relativistic momentum in one sweep",
        "description": (
            "The norm of the momenta is the one that the step before has left; the cooling of the "
            "norm is\nmade up in the next step. One sweep over the weights in the place of two; "
            "the price is an error\nof second order in the place at which the gradient is read.\n"
        ),
        "hyperparameters": [
            {
                "name": "speed",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "speed limit, in units of lr per step",
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
                "G. Franca, J. Sulam, D. Robinson, R. Vidal, Conformal symplectic and relativistic "
                "optimization (2020)"
            ),
        ],
    },
}
*/
