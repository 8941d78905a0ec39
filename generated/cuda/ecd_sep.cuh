// Energy-conserving descent with a separable Hamiltonian.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in ecd_sep.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes ecd_sep.cuh
//
// Hamiltonian:
//   log(s + dot(X, X)) + eta*log(L - floor)
//
// Update derived from it:
//   X <- sqrt(s)*sqrt(-1 + exp(eta*max(0, -log(-floor + L) + log(-floor + L0))))*X/sqrt(sum(X**2))
//   X <- X - eta*tau*G/(-L + floor)
//   w <- w - 2*tau*X/(s + sum(X**2))
//
// Hyperparameters:
//   tau: learning rate. In [0, inf); required.
//   s: scale of the momenta. In (0, inf); default 1.0.
//   eta: how strongly the motion concentrates at small losses. In (0, inf); default 1.0.
//   floor: lower bound of the loss. In (-inf, inf); default 0.0.
//
// Proved: The pieces kick, cooling and drift of the step on (U, w, beta, X) are each exactly
// symplectic.
//
// Proved: On (w, X) the pieces kick, cooling and drift of the step are each conformally
// symplectic: sum of dX^dw is multiplied by beta(t-tau)/beta(t) = 1.
//
// Proved: Projection: projection of the momenta to the energy surface: not Hamiltonian; where the
// motion conserves H it moves them by the error of the step alone.
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_ECD_SEP_CUH
#define SYMPLECTIC_CODEGEN_ECD_SEP_CUH

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

namespace symplectic::ecd_sep {

#ifndef __CUDACC_RTC__
using std::exp;
using std::expm1;
using std::log;
using std::sqrt;
#endif

// The larger one, or NaN if either is.
template <typename Real>
SYMPLECTIC_INLINE Real maximum(Real x, Real y) {
    return x > y || x != x ? x : y;
}

struct Hyperparameters {
    double tau;  // learning rate; in [0, inf)
    double s = 1.0;  // scale of the momenta; in (0, inf)
    double eta = 1.0;  // how strongly the motion concentrates at small losses; in (0, inf)
    double floor_ = 0.0;  // lower bound of the loss; in (-inf, inf)
};

// What is kept between steps, in double precision.
struct State {
    double L0;  // the loss before the first step
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_2;  // sum over all elements of X**2
};

// Sums over the parameters that take part in the step.
struct Totals {
    double total_1;
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, State, Sums, Totals {
    double n;  // the number of the step: 1, 2, 3, ...
    double L;  // the value of the loss
};

// What is kept between steps for each parameter, in double precision.
struct BlockState {
    double known_sum;  // sum of X**2
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_2;  // sum over all elements of X**2
    double next_sum;  // sum over the elements of each parameter of X**2
};

// What one parameter has of its own.
struct Block : BlockState, ArraySums {};

// The state before the first step.
SYMPLECTIC_INLINE State initial(const Hyperparameters&) {
    State next{};
    return next;
}

// What starts with the loss of the first step.
SYMPLECTIC_INLINE void begin(Inputs& in) {
    if (in.n == 1.0) {
        in.L0 = in.L;
    }
}

// Whether the step is inside the domain of the rule:
// this Hamiltonian is for -floor + L > 0 only
// this Hamiltonian is for -floor + L0 > 0 only
SYMPLECTIC_INLINE bool admissible(const Inputs& in) {
    const double positive = in.L - in.floor_;
    const double positive_ = in.L0 - in.floor_;
    return positive > 0.0 && positive_ > 0.0;
}

// What one parameter adds to total_1.
SYMPLECTIC_INLINE double total_1(const Inputs&, const Block& block) {
    const double summand = block.known_sum;
    return summand;
}

// The state after the step.
SYMPLECTIC_INLINE State finish(const Inputs& in) {
    State next = in;
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
struct Partial_1 {
    Real sum_2;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 1, rounded once.
template <typename Real>
struct Coefficients_1 {
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
    Real factor_2;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    const double common = log(in.L0 - in.floor_);
    const double common_2 = log(in.L - in.floor_);
    const double common_3 = maximum(0.0, common - common_2);
    // scalar of the step
    const double part_1 = sqrt(-expm1(-in.eta * common_3));
    const double factor_ = part_1 * sqrt(in.s) * exp(in.eta * common_3 / 2.0);
    // sum over all elements of X**2, from the step before
    const double sum_ = in.total_1;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = -in.eta * in.tau / (in.floor_ - in.L);
    // the same for all elements
    const double factor_2 = factor_ / sqrt(maximum(1e-36, sum_));
    return {static_cast<Real>(impulse), static_cast<Real>(factor_2)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = step.factor_2 * X;
    const Real X_new2 = X_new + step.impulse * G;
    sums.sum_2 += X_new2 * X_new2;
    X = X_new2;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_2 {
    Real next_sum;  // sum over the elements of each parameter of X**2
};

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real factor_3;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    // learning rate of the drift
    const double rate = 2.0 * in.tau;
    // the same for all elements
    const double factor_3 = rate / (in.s + in.sum_2);
    return {static_cast<Real>(factor_3)};
}

// Stage 2 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(
    Real& w,
    Real X,
    const Coefficients_2<Real>& step,
    Partial_2<Real>& sums) {
    const Real w_new = w - step.factor_3 * X;
    sums.next_sum += X * X;
    w = w_new;
}

}  // namespace symplectic::ecd_sep

#ifndef __CUDACC_RTC__
// The C interface of ecd_sep.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct ecd_sep_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct ecd_sep_saved {
    unsigned long long steps;
    symplectic::ecd_sep::State state;
};
struct ecd_sep_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int ecd_sep_init(
    ecd_sep_optimizer** made,
    const ecd_sep_array* arrays,
    long long count,
    int type,
    const symplectic::ecd_sep::Hyperparameters* hyperparameters,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int ecd_sep_step(
    ecd_sep_optimizer* optimizer,
    const void* gradient,
    const symplectic::ecd_sep::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int ecd_sep_step_list(
    ecd_sep_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::ecd_sep::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int ecd_sep_save(
    ecd_sep_optimizer* optimizer,
    ecd_sep_saved* saved,
    symplectic::ecd_sep::BlockState* blocks,
    void* stream);
// Goes on from what `save` gave.
int ecd_sep_restore(
    ecd_sep_optimizer* optimizer,
    const ecd_sep_saved* saved,
    const symplectic::ecd_sep::BlockState* blocks,
    void* stream);
void ecd_sep_free(ecd_sep_optimizer* optimizer);
// What a return code other than 0 means.
const char* ecd_sep_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "log(s + dot(X, X)) + eta*log(L - floor)",
    "name": "ecd_sep",
    "target": "cuda",
    "dtype": "any",
    "integrator": "P K B C",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "748a9451c62196633c31e92dd446d43a448b9f99e9a4fafd703e45d431501f70",
    "body_sha256": "edd7751e7c04e591b8722359957e68e094e4a39ac5a91fdc9c3f110fd4f12f3c",
    "command": "symplectic-codegen generate --catalog ecd_sep --target cuda",
    "spec": {
        "energy": "eta*log(L0 - floor) + log(s)",
        "format": 1,
        "title": "Energy-conserving descent with a separable Hamiltonian",
        "description": (
            "No friction: what is left of the loss sets the speed. The momenta are projected to "
            "the energy of\nthe start before each step. The small rotations of the authors are "
            "left out.\n"
        ),
        "hyperparameters": [
            {"name": "tau", "meaning": "learning rate"},
            {"name": "h", "bounds": "[1, 1]", "meaning": "unit of action: a unit"},
            {"name": "k", "bounds": "[1, 1]", "meaning": "unit of entropy: a unit"},
            {"name": "beta0", "bounds": "[1, 1]", "meaning": "thermal parameter: a unit"},
            {"name": "s", "default": "1", "bounds": "(0, oo)", "meaning": "scale of the momenta"},
            {
                "name": "eta",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "how strongly the motion concentrates at small losses",
            },
            {
                "name": "floor",
                "default": "0",
                "bounds": "(-oo, oo)",
                "meaning": "lower bound of the loss",
            },
        ],
        "references": [
            (
                "G. B. De Luca, A. Gatti, E. Silverstein, Improving energy conserving descent for "
                "machine learning (2023)"
            ),
        ],
    },
}
*/
