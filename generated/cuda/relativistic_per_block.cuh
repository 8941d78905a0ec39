// Relativistic momentum with one norm for each parameter.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in relativistic_per_block.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes relativistic_per_block.cuh
//
// Hamiltonian:
//   beta/k*(speed*sqrt(dot(X, X) + speed**2) + c**2*L) + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- momentum*X + zeta*(1 - momentum)*G
//   w <- w - lr*speed*X/sqrt(speed**2 + block_sum(X**2))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   momentum: what one step leaves of the momenta. In [0, 1); default 0.9.
//   zeta: weight of the gradient average. In [0, inf); default 1.0.
//   speed: speed limit, in units of lr per step. In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RELATIVISTIC_PER_BLOCK_CUH
#define SYMPLECTIC_CODEGEN_RELATIVISTIC_PER_BLOCK_CUH

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

namespace symplectic::relativistic_per_block {

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

// Everything that is the same for all elements.
struct Inputs : Hyperparameters {
    double n;  // the number of the step: 1, 2, 3, ...
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_;  // sum over the elements of each parameter of X**2
};

// What one parameter has of its own.
struct Block : ArraySums {};

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real sum_;  // sum over the elements of each parameter of X**2
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

// The numbers that the elements of one parameter have in common in stage 2, rounded once.
template <typename Real>
struct Own_2 {
    Real factor_;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Own_2<Real> own_coefficients_2(const Inputs& in, const Block& block) {
    // learning rate of the drift
    const double rate = in.lr * in.speed;
    // scalar of the step
    const double scale = power<2>(in.speed);
    // the same for all elements
    const double factor_ = rate / sqrt(scale + block.sum_);
    return {static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, const Own_2<Real>& own) {
    const Real w_new = w - own.factor_ * X;
    w = w_new;
}

}  // namespace symplectic::relativistic_per_block

#ifndef __CUDACC_RTC__
// The C interface of relativistic_per_block.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct relativistic_per_block_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct relativistic_per_block_saved {
    unsigned long long steps;
};
struct relativistic_per_block_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int relativistic_per_block_init(
    relativistic_per_block_optimizer** made,
    const relativistic_per_block_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int relativistic_per_block_step(
    relativistic_per_block_optimizer* optimizer,
    const void* gradient,
    const symplectic::relativistic_per_block::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int relativistic_per_block_step_list(
    relativistic_per_block_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::relativistic_per_block::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int relativistic_per_block_save(
    relativistic_per_block_optimizer* optimizer,
    relativistic_per_block_saved* saved,
    void* stream);
// Goes on from what `save` gave.
int relativistic_per_block_restore(
    relativistic_per_block_optimizer* optimizer,
    const relativistic_per_block_saved* saved,
    void* stream);
void relativistic_per_block_free(relativistic_per_block_optimizer* optimizer);
// What a return code other than 0 means.
const char* relativistic_per_block_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(speed*sqrt(dot(X, X) + speed**2) + c**2*L) + h*gamma/k*beta*U",
    "name": "relativistic_per_block",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "5ce1a9b9d6f052d36c2986ca25c4bc5856213271efe79cad9ea212e186f3130f",
    "body_sha256": "eab1497b903ed263a97d9c40b48760c005cd597ad5a0bd57af04b39fe2e2a772",
    "command": "symplectic-codegen generate --catalog relativistic_per_block --target cuda",
    "spec": {
        "norms": "block",
        "format": 1,
        "title": "Relativistic momentum with one norm for each parameter",
        "description": (
            "The square root runs over each parameter array by itself: systems that are put side "
            "by side stay\nindependent, which a norm over everything does not allow.\n"
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
            "D. Spivak, Compositional dynamics in learning and mechanics (2026)",
        ],
    },
}
*/
