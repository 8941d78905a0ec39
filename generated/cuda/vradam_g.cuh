// Velocity-regularised Adam with an integrable metric.
//
// What one step does with one element, for the host and the device, in plain C++17. Kernels are
// in vradam_g.cu. For the host alone:
//
//   g++ -std=c++17 -O3 program.cpp  // which includes vradam_g.cuh
//
// Hamiltonian:
//   beta/(2*k*strength)*log(1 + strength*sum(X**2/(sqrt(average(G**2, nu)) + eps)))   + (beta +
//       b)*c**2/k*L + h*gamma/k*(beta + b)*U
//
// Update derived from it:
//   X <- (-beta1**n + beta1)*X/(1 - beta1**n) + (1 - beta1)*G/(1 - beta1**n)
//   average(G**2, nu) <- (-beta2**n + beta2)*average(G**2, nu)/(1 - beta2**n) + G**2*(1 - beta2)/(1
//       - beta2**n)
//   w <- w - lr*X/((1 + strength*sum(X**2/(eps + sqrt(average(G**2, nu)))))*(eps +
//       sqrt(average(G**2, nu))))
//
// Hyperparameters:
//   lr: learning rate. In [0, inf); default 0.001.
//   beta1: decay rate of the first moment. In [0, 1); default 0.9.
//   beta2: decay rate of the second moment. In [0, 1); default 0.999.
//   strength: strength of the regularisation. In (0, inf); default 1.0.
//   eps: added to the root of the second moment. In [0, inf); default 1e-08.
//
// Proved: The step on (U, w, beta, X) is exactly symplectic at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: On (w, X) the step is conformally symplectic: sum of dX^dw is multiplied by
// beta(t-tau)/beta(t) = beta/((b + beta)*exp(gamma*tau) - b) at given memory fields (these follow
// the gradient and are not Hamiltonian).
//
// Proved: Order 1: the step agrees with the equations of motion through tau^1, not through tau^2.

#ifndef SYMPLECTIC_CODEGEN_VRADAM_G_CUH
#define SYMPLECTIC_CODEGEN_VRADAM_G_CUH

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

namespace symplectic::vradam_g {

#ifndef __CUDACC_RTC__
using std::expm1;
using std::log;
using std::pow;
using std::sqrt;
#endif

// x**y - 1 for x >= 0, without cancellation for x near 1.
template <typename Real>
SYMPLECTIC_INLINE Real powm1(Real x, Real y) {
    return x > Real(0) ? expm1(y * log(x)) : pow(x, y) - Real(1);
}

struct Hyperparameters {
    double lr = 0.001;  // learning rate; in [0, inf)
    double beta1 = 0.9;  // decay rate of the first moment; in [0, 1)
    double beta2 = 0.999;  // decay rate of the second moment; in [0, 1)
    double strength = 1.0;  // strength of the regularisation; in (0, inf)
    double eps = 1e-08;  // added to the root of the second moment; in [0, inf)
};

// Sums over all elements of all parameters that take part in the step.
struct Sums {
    double sum_;  // sum over all elements of X**2/(sqrt(average(G**2, nu)) + scale)
};

// Everything that is the same for all elements.
struct Inputs : Hyperparameters, Sums {
    double n;  // the number of the step: 1, 2, 3, ...
};

// Sums over the elements of one parameter.
struct ArraySums {
    double sum_;  // sum over all elements of X**2/(sqrt(average(G**2, nu)) + scale)
};

// Sums over some elements, in the type of the elements.
template <typename Real>
struct Partial_1 {
    Real sum_;  // sum over all elements of X**2/(sqrt(average(G**2, nu)) + scale)
};

// The numbers that all elements have in common in stage 1, rounded once.
template <typename Real>
struct Coefficients_1 {
    Real eps;  // added to the root of the second moment
    Real decay;  // beta(t-tau)/beta(t): what cooling leaves of the momenta
    Real impulse;  // impulse of the loss gradient: time average of the thermal mass over the step
    Real memory;  // what stays of average(G**2, nu)
    Real intake;  // what comes in
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_1<Real> coefficients_1(const Inputs& in) {
    const double common = powm1(in.beta1, in.n);
    // beta(t-tau)/beta(t): what cooling leaves of the momenta
    const double decay = in.beta1 * powm1(in.beta1, in.n - 1.0) / common;
    // impulse of the loss gradient: time average of the thermal mass over the step
    const double impulse = (in.beta1 - 1.0) / common;
    const double common_2 = powm1(in.beta2, in.n);
    // what stays of average(G**2, nu)
    const double memory = in.beta2 * powm1(in.beta2, in.n - 1.0) / common_2;
    // what comes in
    const double intake = (in.beta2 - 1.0) / common_2;
    return {
        static_cast<Real>(in.eps),
        static_cast<Real>(decay),
        static_cast<Real>(impulse),
        static_cast<Real>(memory),
        static_cast<Real>(intake)};
}

// Stage 1 for one element, whose terms are added to the sums.
template <typename Real>
SYMPLECTIC_INLINE void stage_1(
    Real G,
    Real& X,
    Real& M,
    const Coefficients_1<Real>& step,
    Partial_1<Real>& sums) {
    const Real X_new = step.decay * X + step.impulse * G;
    const Real M_new = step.memory * M + step.intake * (G * G);
    sums.sum_ += X_new * X_new / (step.eps + sqrt(M_new));
    M = M_new;
    X = X_new;
}

// The numbers that all elements have in common in stage 2, rounded once.
template <typename Real>
struct Coefficients_2 {
    Real eps;  // added to the root of the second moment
    Real factor_;  // the same for all elements
};

template <typename Real>
SYMPLECTIC_INLINE Coefficients_2<Real> coefficients_2(const Inputs& in) {
    // the same for all elements
    const double factor_ = in.lr / (1.0 + in.strength * in.sum_);
    return {static_cast<Real>(in.eps), static_cast<Real>(factor_)};
}

// Stage 2 for one element.
template <typename Real>
SYMPLECTIC_INLINE void stage_2(Real& w, Real X, Real M, const Coefficients_2<Real>& step) {
    const Real w_new = w - step.factor_ * X / (step.eps + sqrt(M));
    w = w_new;
}

}  // namespace symplectic::vradam_g

#ifndef __CUDACC_RTC__
// The C interface of vradam_g.cu.
extern "C" {
// A parameter with its state, in memory of the device that is the caller's.
struct vradam_g_array {
    void* w;
    float* master;  // the exact parameter if w has 16 bits, or null
    void* X;  // of the type of w, but float if that has 16 bits
    void* M;  // of the type of w, but float if that has 16 bits
    long long size;
};
struct vradam_g_saved {
    unsigned long long steps;
};
struct vradam_g_optimizer;
// Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: IEEE half),
// and clears their state.
int vradam_g_init(
    vradam_g_optimizer** made,
    const vradam_g_array* arrays,
    long long count,
    int type,
    void* stream);
// One step with one array; allocates nothing, waits for nothing. Gradients are divided by
// *grad_scale unless that is null; the step is skipped if *found_inf is not 0.
int vradam_g_step(
    vradam_g_optimizer* optimizer,
    const void* gradient,
    const symplectic::vradam_g::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// The same for all arrays; a gradient that is null leaves its array alone.
int vradam_g_step_list(
    vradam_g_optimizer* optimizer,
    const void* const* gradients,
    const symplectic::vradam_g::Hyperparameters* hyperparameters,
    const float* grad_scale,
    const float* found_inf,
    void* stream);
// What a run needs to go on, besides the arrays; waits for the stream.
int vradam_g_save(vradam_g_optimizer* optimizer, vradam_g_saved* saved, void* stream);
// Goes on from what `save` gave.
int vradam_g_restore(vradam_g_optimizer* optimizer, const vradam_g_saved* saved, void* stream);
void vradam_g_free(vradam_g_optimizer* optimizer);
// What a return code other than 0 means.
const char* vradam_g_message(int code);
}
#endif

#endif

/* What this was generated from; `symplectic-codegen check` reads it.

PROVENANCE = {
    "hamiltonian": (
        "beta/(2*k*strength)*log(1 + strength*sum(X**2/(sqrt(average(G**2, nu)) + eps)))\n  + "
        "(beta + b)*c**2/k*L + h*gamma/k*(beta + b)*U"
    ),
    "name": "vradam_g",
    "target": "cuda",
    "dtype": "any",
    "integrator": "lie-trotter",
    "generator version": "0.1.0",
    "SymPy version": "1.14.0",
    "spec_sha256": "5003e888904f8e496de0261044fc0f36ed18c66a852b637190d6202c5bef40b8",
    "body_sha256": "cf4b3b6b8e7ace66a16a9da3e5c438cc12c7413293ae46ffdaaeda9beec305f7",
    "command": "symplectic-codegen generate --catalog vradam_g --target cuda",
    "spec": {
        "format": 1,
        "title": "Velocity-regularised Adam with an integrable metric",
        "description": (
            "VRAdam divides Adam's step by 1 + strength*|X|^2 with the Euclidean norm, and no "
            "kinetic energy\nhas that velocity. With the norm in Adam's own metric there is one. "
            "(The momenta in the norm are\nbias-corrected, which those of VRAdam are not.)\n"
        ),
        "hyperparameters": [
            {
                "name": "beta0",
                "default": "0",
                "bounds": "[0, 0]",
                "meaning": "infinite temperature at the start",
            },
            {
                "name": "strength",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "strength of the regularisation",
            },
            {"name": "nu", "meaning": "relaxation rate of the metric"},
            {
                "name": "eps",
                "default": "1/100000000",
                "meaning": "added to the root of the second moment",
            },
            {
                "name": "b",
                "default": "1",
                "bounds": "(0, oo)",
                "meaning": "shift of the thermal parameter",
            },
        ],
        "reparametrization": [
            {"name": "lr", "default": "1/1000", "meaning": "learning rate", "equals": "tau/h"},
            {
                "name": "beta1",
                "default": "9/10",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the first moment",
                "equals": "exp(-gamma*tau)",
            },
            {
                "name": "beta2",
                "default": "999/1000",
                "bounds": "[0, 1)",
                "meaning": "decay rate of the second moment",
                "equals": "exp(-nu*tau)",
            },
            {
                "name": "gain",
                "default": "1",
                "bounds": "[1, 1]",
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
