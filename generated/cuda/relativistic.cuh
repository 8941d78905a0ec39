// Relativistic momentum, kinetic energy as in the paper.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in relativistic.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes relativistic.cuh
//
// Hamiltonian:
//   sqrt(dot(X, X) + k**2/beta**2) + beta*c**2/k*L + h*gamma/k*beta*U
//
// Update derived from it:
//   X <- X*exp(-gamma*tau) + c**2*(1 - exp(-gamma*tau))*G/(gamma*h)
//   w <- w - k*tau*X*exp(-t*gamma)/(beta0*h*sqrt(k**2*exp(-2*t*gamma)/beta0**2 + sum(X**2)))
//
// Hyperparameters:
//   tau: step of the learning time. In [0, inf); required.
//   gamma: cooling rate. In [0, inf); required.
//   h: unit of action. In (0, inf); default 1.0.
//   k: unit of information. In (0, inf); default 1.0.
//   c: c**2 is a unit of energy squared. In (0, inf); default 1.0.
//   beta0: thermal parameter at the start. In (0, inf); default 1.0.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = exp(-gamma*tau).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_RELATIVISTIC_CUH
#define SYMPLECTIC_CODEGEN_RELATIVISTIC_CUH

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

namespace symplectic::relativistic {

#ifndef __CUDACC_RTC__
using std::exp;
using std::expm1;
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
    double tau;  // step of the learning time; in [0, inf)
    double gamma;  // cooling rate; in [0, inf)
    double h = 1.0;  // unit of action; in (0, inf)
    double k = 1.0;  // unit of information; in (0, inf)
    double c = 1.0;  // c**2 is a unit of energy squared; in (0, inf)
    double beta0 = 1.0;  // thermal parameter at the start; in (0, inf)
};

// What is kept between steps, in double precision.
struct State {
    double t;  // learning time
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_;  // sum over all elements of X**2
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, State, Sums {
    double n;  // the number of the step: 1, 2, 3, ...
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_;  // sum over all elements of X**2
};

// The state before the first step.
SYMPLECTIC_INLINE State initial(const Hyperparameters&) {
    State next{};
    next.t = 0.0;
    return next;
}

// The state after the step.
SYMPLECTIC_INLINE State finish(const Inputs& in) {
    // time now
    const double t_new = in.t + in.tau;
    State next = in;
    next.t = t_new;
    return next;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real sum_;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 1, rounded once.
template <typename Real>
struct Coefficients_1 {
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = exp(-in.gamma * in.tau);
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = power<2>(in.c) * in.tau * exprel(-in.gamma * in.tau) / in.h;
    return {static_cast<Real>(decay), static_cast<Real>(impulse)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = step.decay * X + step.impulse * G;
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
    // learning rate of the drift
    const double rate = in.k * in.tau * exp(-in.gamma * (in.t + in.tau)) / (in.beta0 * in.h);
    // scalar of the step
    const double part_1 = exp(-2.0 * in.gamma * (in.t + in.tau));
    const double scale = power<2>(in.k) * part_1 / power<2>(in.beta0);
    // the same for all elements
    const double factor_ = rate / sqrt(scale + in.sum_);
    return {static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, const Coefficients_2<Real>& step) {
    const Real w_new = w - step.factor_ * X;
    w = w_new;
}

}  // namespace symplectic::relativistic

#ifndef __CUDACC_RTC__
// The C interface of relativistic.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct relativistic_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct relativistic_saved {
    unsigned long long steps;
    symplectic::relativistic::State state;
};
struct relativistic_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int relativistic_init(
    relativistic_optimizer** made,
    const relativistic_array* arrays,
    long long count,
    int type,
    const symplectic::relativistic::Hyperparameters* hyperparameters,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int relativistic_step(
    relativistic_optimizer* optimizer,
    const void* gradient,
    const symplectic::relativistic::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int relativistic_step_list(
    relativistic_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::relativistic::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int relativistic_save(relativistic_optimizer* optimizer, relativistic_saved* saved, void* stream);
// Goes on from what `save` gave.
int relativistic_restore(
    relativistic_optimizer* optimizer,
    const relativistic_saved* saved,
    void* stream);
void relativistic_free(relativistic_optimizer* optimizer);
// What a return code other than 0 means.
const char* relativistic_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "sqrt(dot(X, X) + k**2/beta**2) + beta*c**2/k*L + h*gamma/k*beta*U",
    "name": "relativistic",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "5d4db6f36a670ea65a7bd26c002aadf404afad5d557b66413ad6b0b338b79781",
    "body_sha256": "79e6b45dcef12a1e073ad27e8b8204e8020dbd1c3368bf28d10c2f28e01d3425",
    "command": "symplectic-codegen generate --catalog relativistic --target cuda",
    "spec": {
        "format": 1,
        "title": "Relativistic momentum, kinetic energy as in the paper",
        "description": (
            "The speed is bounded, but the bound itself falls as the system cools: the paper notes "
            "that learning\nstops. The entry relativistic_degree_one keeps it.\n"
        ),
        "hyperparameters": [{"name": "gamma", "meaning": "cooling rate"}],
        "references": [
            "E. Hermosis, Learning Dynamics (2025), section Application",
            "G. Franca et al., Conformal symplectic and relativistic optimization (2019)",
        ],
    },
}
*/
