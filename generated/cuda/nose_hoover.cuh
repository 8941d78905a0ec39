// Nose-Hoover thermostat.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in nose_hoover.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes nose_hoover.cuh
//
// Hamiltonian:
//   beta/k*(dot(X, X)/2 + c**2*L + U**2/(2*Q) + d*T*log(beta) - c**2*L0)
//
// Update derived from it:
//   U_new <- -L*lr*c**2 - T*lr*d - T*lr*d*log(beta) + L0*lr*c**2 + U
//   X <- 16*Q**2*X/(4*Q + U_new*lr)**2 + 16*lr*Q**2*c**2*G/(4*Q + U_new*lr)**2
//   U_new_2 <- U_new/(1 + U_new*lr/(4*Q)) + lr*sum(X**2)/2
//   w <- w - lr*X
//   X <- 16*Q**2*X/(4*Q + U_new_2*lr)**2
//   U <- 4*U_new_2*Q/(4*Q + U_new_2*lr)
//   beta <- beta*(4*Q + U_new*lr)**2*(4*Q + U_new_2*lr)**2/(256*Q**4)
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); required.
//   c: c**2 is a unit of energy squared. In (0, inf); default 1.0.
//   beta0: thermal parameter at the start. In (0, inf); default 1.0.
//   U0: internal energy at the start. In (-inf, inf); default 0.0.
//   Q: inertia of the thermostat. In (0, inf); default 1.0.
//   T: temperature. In (0, inf); default 0.0001.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic.
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t).
//
// Proved: Order 2: the step agrees with the equations of motion through tau^2 (on the trajectory;
// the program stores what is B/2 E/2 ahead of it).

#ifndef SYMPLECTIC_CODEGEN_NOSE_HOOVER_CUH
#define SYMPLECTIC_CODEGEN_NOSE_HOOVER_CUH

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

namespace symplectic::nose_hoover {

#ifndef __CUDACC_RTC__
using std::log;
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
    double c = 1.0;  // c**2 is a unit of energy squared; in (0, inf)
    double beta0 = 1.0;  // thermal parameter at the start; in (0, inf)
    double U0 = 0.0;  // internal energy at the start; in (-inf, inf)
    double Q = 1.0;  // inertia of the thermostat; in (0, inf)
    double T = 0.0001;  // temperature; in (0, inf)
};

// What is kept between steps, in double precision.
struct State {
    double U;  // internal energy
    double beta;  // thermal parameter
    double L0;  // the loss before the first step
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double count;  // number of elements that take part
    double sum_;  // sum over all elements of X**2
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, State, Sums {
    double n;  // the number of the step: 1, 2, 3, ...
    double L;  // the value of the loss
};

// Sums over the elements of one parameter.
struct ArraySums {
    double count;  // number of elements that take part
    double sum_;  // sum over all elements of X**2
};

// The state before the first step.
SYMPLECTIC_INLINE State initial(const Hyperparameters& in) {
    State next{};
    next.U = in.U0;
    next.beta = in.beta0;
    return next;
}

// What starts with the loss of the first step.
SYMPLECTIC_INLINE void begin(Inputs& in) {
    if (in.n == 1.0) {
        in.L0 = in.L;
    }
}

// Whether the step is inside the domain of the rule:
// the thermal parameter beta is not positive
SYMPLECTIC_INLINE bool admissible(const Inputs& in) {
    const double positive = in.beta;
    return positive > 0.0;
}

// The state after the step.
SYMPLECTIC_INLINE State finish(const Inputs& in) {
    // coefficient of the internal energy
    const double energy_drift = in.T * in.lr;
    // coefficient of the internal energy
    const double energy_drift_2 = -in.T * in.lr * log(in.beta);
    // internal energy
    const double part_1 = in.U + in.L0 * power<2>(in.c) * in.lr + in.count * energy_drift_2;
    const double U_new = part_1 - in.L * power<2>(in.c) * in.lr - in.count * energy_drift;
    // coefficient of the internal energy
    const double energy_drift_3 = in.lr / 2.0;
    // internal energy
    const double U_new_2 = U_new / (1.0 + U_new * in.lr / (4.0 * in.Q)) + energy_drift_3 * in.sum_;
    // internal energy now
    const double U_new2 = 4.0 * in.Q * U_new_2 / (4.0 * in.Q + U_new_2 * in.lr);
    // thermal parameter now
    const double part_2 = power<2>(4.0 * in.Q + U_new * in.lr);
    const double part_3 = power<2>(4.0 * in.Q + U_new_2 * in.lr);
    const double beta_new = part_2 * part_3 * in.beta / (256.0 * power<4>(in.Q));
    State next = in;
    next.U = U_new2;
    next.beta = beta_new;
    return next;
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real count;  // number of elements that take part
};

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(Real, Partial_1<Real>& sums) {
    sums.count += Real(1.0);
}

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_2 {
    Real sum_;  // sum over all elements of X**2
};

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real lr;  // learning rate
    Real decay;  // what a step leaves of X
    Real impulse;  // weight of the loss gradient
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    // coefficient of the internal energy
    const double energy_drift = in.T * in.lr;
    // coefficient of the internal energy
    const double energy_drift_2 = -in.T * in.lr * log(in.beta);
    // internal energy
    const double part_1 = in.U + in.L0 * power<2>(in.c) * in.lr + in.count * energy_drift_2;
    const double U_new = part_1 - in.L * power<2>(in.c) * in.lr - in.count * energy_drift;
    // what a step leaves of X
    const double decay = 16.0 * power<2>(in.Q) / power<2>(4.0 * in.Q + U_new * in.lr);
    // weight of the loss gradient
    const double part_2 = 16.0 * power<2>(in.Q) * power<2>(in.c) * in.lr;
    const double impulse = part_2 / power<2>(4.0 * in.Q + U_new * in.lr);
    return {static_cast<Real>(in.lr), static_cast<Real>(decay), static_cast<Real>(impulse)};
}

// Stage 2 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(
    Real& w,
    Real G,
    Real& X,
    const Coefficients_2<Real>& step,
    Partial_2<Real>& sums) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real w_new = w - step.lr * X_new;
    sums.sum_ += X_new * X_new;
    X = X_new;
    w = w_new;
}

// The numbers that all elements have in common in stage 3, rounded once.
template <typename Real>
struct Coefficients_3 {
    Real decay_2;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_3<Real> coefficients_3(const Inputs& in) {
    // coefficient of the internal energy
    const double energy_drift = in.T * in.lr;
    // coefficient of the internal energy
    const double energy_drift_2 = -in.T * in.lr * log(in.beta);
    // internal energy
    const double part_1 = in.U + in.L0 * power<2>(in.c) * in.lr + in.count * energy_drift_2;
    const double U_new = part_1 - in.L * power<2>(in.c) * in.lr - in.count * energy_drift;
    // coefficient of the internal energy
    const double energy_drift_3 = in.lr / 2.0;
    // internal energy
    const double U_new_2 = U_new / (1.0 + U_new * in.lr / (4.0 * in.Q)) + energy_drift_3 * in.sum_;
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay_2 = 16.0 * power<2>(in.Q) / power<2>(4.0 * in.Q + U_new_2 * in.lr);
    return {static_cast<Real>(decay_2)};
}

// Stage 3 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_3(Real& X, const Coefficients_3<Real>& step) {
    const Real X_new2 = step.decay_2 * X;
    X = X_new2;
}

}  // namespace symplectic::nose_hoover

#ifndef __CUDACC_RTC__
// The C interface of nose_hoover.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct nose_hoover_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct nose_hoover_saved {
    unsigned long long steps;
    symplectic::nose_hoover::State state;
};
struct nose_hoover_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int nose_hoover_init(
    nose_hoover_optimizer** made,
    const nose_hoover_array* arrays,
    long long count,
    int type,
    const symplectic::nose_hoover::Hyperparameters* hyperparameters,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int nose_hoover_step(
    nose_hoover_optimizer* optimizer,
    const void* gradient,
    const symplectic::nose_hoover::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int nose_hoover_step_list(
    nose_hoover_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::nose_hoover::Hyperparameters* hyperparameters,
    double loss,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int nose_hoover_save(nose_hoover_optimizer* optimizer, nose_hoover_saved* saved, void* stream);
// Goes on from what `save` gave.
int nose_hoover_restore(
    nose_hoover_optimizer* optimizer,
    const nose_hoover_saved* saved,
    void* stream);
void nose_hoover_free(nose_hoover_optimizer* optimizer);
// What a return code other than 0 means.
const char* nose_hoover_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": "beta/k*(dot(X, X)/2 + c**2*L + U**2/(2*Q) + d*T*log(beta) - c**2*L0)",
    "name": "nose_hoover",
    "target": "cuda",
    "dtype": "any",
    "integrator": "strang",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "21c1d0764bb4eecc56870ccab5ab304e43b4d0c403742d7aeb558e14bb06b8e7",
    "body_sha256": "1b8e05e796b88ac326ac6cc47379147b511785c6a54434d9309b1e5843a04bcf",
    "command": "symplectic-codegen generate --catalog nose_hoover --target cuda",
    "spec": {
        "format": 1,
        "title": "Nose-Hoover thermostat",
        "description": (
            "Feedback temperature: the energy U is the momentum of the thermostat and beta is "
            "Nose's s. The\nmomenta are cooled where their energy is above d*T/2 and heated where "
            "it is below.\n"
        ),
        "hyperparameters": [
            {
                "name": "Q",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "inertia of the thermostat",
            },
            {"name": "T", "default": "1/10000", "bounds": "(0, oo)", "meaning": "temperature"},
        ],
        "reparametrization": [{"name": "lr", "meaning": "learning rate", "equals": "tau/h"}],
        "references": [
            (
                "S. Nose, A unified formulation of the constant temperature molecular dynamics "
                "methods (1984)"
            ),
            (
                "S. Bond, B. Leimkuhler, B. Laird, The Nose-Poincare method for constant "
                "temperature molecular dynamics (1999)"
            ),
            "N. Ding et al., Bayesian sampling using stochastic gradient thermostats (2014)",
        ],
    },
}
*/
