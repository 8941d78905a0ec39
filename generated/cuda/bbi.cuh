// Born-Infeld dynamics of constant energy.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in bbi.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes bbi.cuh
//
// Hamiltonian:
//   beta/(2*k)*(dot(X, X) + (L - floor) - (L0 - floor + extra)**2/(L - floor))
//
// Update derived from it:
//   X <- sqrt(max(0, (-floor + L0 + extra)**2/(-floor + L) - L + floor))*X/sqrt(sum(X**2))
//   X <- X + tau*(1 + (-floor + L0 + extra)**2/(-floor + L)**2)*(-floor + L)*G/(-2*floor + 2*L0 +
//       2*extra)
//   w <- w - tau*(-floor + L)*X/(-floor + L0 + extra)
//
// Hyperparameters:
//   tau: learning rate. In [0, inf); required.
//   floor: lower bound of the loss. In (-inf, inf); default 0.0.
//   extra: energy beyond the first loss. In [0, inf); default 0.0.
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

#ifndef SYMPLECTIC_CODEGEN_BBI_CUH
#define SYMPLECTIC_CODEGEN_BBI_CUH

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

namespace symplectic::bbi {

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

// The larger one, or NaN if either is.
template <typename Real>
SYMPLECTIC_INLINE Real maximum(Real x, Real y) {
    return x > y || x != x ? x : y;
}

struct Hyperparameters {
    double tau;  // learning rate; in [0, inf)
    double floor_ = 0.0;  // lower bound of the loss; in (-inf, inf)
    double extra = 0.0;  // energy beyond the first loss; in [0, inf)
};

// What is kept between steps, in double precision.
struct State {
    double L0;  // the loss before the first step
};

// Sums over the parameters that take part in the step.
struct Totals {
    double total_1;
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, State, Totals {
    double n;  // the number of the step: 1, 2, 3, ...
    double L;  // the value of the loss
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
    return next;
}

// What starts with the loss of the first step.
SYMPLECTIC_INLINE void begin(Inputs& in) {
    if (in.n == 1.0) {
        in.L0 = in.L;
    }
}

// Whether the step is inside the domain of the rule:
// the time step tau*(-floor + L)/(-floor + L0 + extra) is not positive
// this Hamiltonian is for -floor + L > 0 only
SYMPLECTIC_INLINE bool admissible(const Inputs& in) {
    const double positive = in.tau * (in.L - in.floor_) / (in.L0 + in.extra - in.floor_);
    const double positive_ = in.L - in.floor_;
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
struct Partial {
    Real next_sum;  // sum over the elements of each parameter of X**2
};

// The numbers that all elements have in common, rounded once.
template <typename Real>
struct Coefficients {
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
    Real rate;  // learning rate of the drift
    Real factor_2;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients<Real> coefficients(const Inputs& in) {
    // scalar of the step
    const double part_1 = power<2>(in.L0 + in.extra - in.floor_);
    const double factor_ = sqrt(maximum(0.0, in.floor_ + part_1 / (in.L - in.floor_) - in.L));
    // sum over all elements of X**2, from the step before
    const double sum_ = in.total_1;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double part_3 = power<2>(in.L0 + in.extra - in.floor_);
    const double part_2 = in.tau * (1.0 + part_3 / power<2>(in.L - in.floor_));
    const double part_4 = 2.0 * in.L0 + 2.0 * in.extra;
    const double impulse = part_2 * (in.L - in.floor_) / (part_4 - 2.0 * in.floor_);
    // learning rate of the drift
    const double rate = in.tau * (in.L - in.floor_) / (in.L0 + in.extra - in.floor_);
    // the same for all elements
    const double factor_2 = factor_ / sqrt(maximum(1e-36, sum_));
    return {static_cast<Real>(impulse), static_cast<Real>(rate), static_cast<Real>(factor_2)};
}

// One step for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void update(
    Real& w,
    Real G,
    Real& X,
    const Coefficients<Real>& step,
    Partial<Real>& sums) {
    const Real X_new = step.factor_2 * X;
    const Real X_new2 = X_new + step.impulse * G;
    const Real w_new = w - step.rate * X_new2;
    sums.next_sum += X_new2 * X_new2;
    X = X_new2;
    w = w_new;
}

}  // namespace symplectic::bbi

#ifndef __CUDACC_RTC__
// The C interface of bbi.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct bbi_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct bbi_saved {
    unsigned long long steps;
    symplectic::bbi::State state;
};
struct bbi_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int bbi_init(
    bbi_optimizer** made,
    const bbi_array* arrays,
    long long count,
    int type,
    const symplectic::bbi::Hyperparameters* hyperparameters,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int bbi_step(
    bbi_optimizer* optimizer,
    const void* gradient,
    const symplectic::bbi::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int bbi_step_list(
    bbi_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::bbi::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int bbi_save(
    bbi_optimizer* optimizer,
    bbi_saved* saved,
    symplectic::bbi::BlockState* blocks,
    void* stream);
// Goes on from what `save` gave.
int bbi_restore(
    bbi_optimizer* optimizer,
    const bbi_saved* saved,
    const symplectic::bbi::BlockState* blocks,
    void* stream);
void bbi_free(bbi_optimizer* optimizer);
// What a return code other than 0 means.
const char* bbi_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/(2*k)*(dot(X, X) + (L - floor) - (L0 - floor + extra)**2/(L - floor))",
    "name": "bbi",
    "target": "cuda",
    "dtype": "any",
    "integrator": "P K B C",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "037a5c9366c23309940146d2d43995d0aac9346010d80c81c0d9219a0b49fdc6",
    "body_sha256": "470c5abb2080b757128072b2e47c9a3f5cbcd31a2257c4763d5f02b11fa96962",
    "command": "symplectic-codegen generate --catalog bbi --target cuda",
    "spec": {
        "time_step": "tau*(L - floor)/(L0 - floor + extra)",
        "energy": "0",
        "format": 1,
        "title": "Born-Infeld dynamics of constant energy",
        "description": (
            "The Born-Infeld Hamiltonian sqrt(V*(V + |X|^2)) = E with V = L - floor, in a form "
            "that splits:\nat H = 0 it has the same motion in a time that depends on the loss. The "
            "momenta are projected to\nthe energy before each step; the bounces of the authors are "
            "left to the user.\n"
        ),
        "hyperparameters": [
            {"name": "tau", "meaning": "learning rate"},
            {"name": "h", "bounds": "[1, 1]", "meaning": "unit of action: a unit"},
            {
                "name": "floor",
                "default": "0",
                "bounds": "(-oo, oo)",
                "meaning": "lower bound of the loss",
            },
            {"name": "extra", "default": "0", "meaning": "energy beyond the first loss"},
        ],
        "references": [
            (
                "G. B. De Luca, E. Silverstein, Born-Infeld (BI) for AI: energy-conserving descent "
                "(ECD) for optimization (2022)"
            ),
        ],
    },
}
*/
