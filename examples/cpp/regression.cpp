// Fits a line through points in 8 dimensions with two generated optimizers, on the host.
//
//   g++ -std=c++17 -O3 -I ../../generated/cuda regression.cpp -o regression && ./regression
//
// Only the generated headers are needed: copy them into your project (`symplectic-codegen check`
// tells later whether they were changed). The same element functions run in the kernels.
#include "adam.cuh"
#include "momentum.cuh"

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace {

namespace adam = symplectic::adam;
namespace momentum = symplectic::momentum;

constexpr int POINTS = 512, FEATURES = 8, STEPS = 600;

struct Data {
    std::vector<float> x, y, truth;

    Data() : x(POINTS * FEATURES), y(POINTS), truth(FEATURES) {
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (float& value : truth) {
            value = normal(random);
        }
        for (int i = 0; i < POINTS; ++i) {
            for (int k = 0; k < FEATURES; ++k) {
                x[i * FEATURES + k] = normal(random);
                y[i] += x[i * FEATURES + k] * truth[k];
            }
            y[i] += 0.01f * normal(random);
        }
    }

    // Mean square of the residuals; its gradient goes to G.
    float loss(const std::vector<float>& w, std::vector<float>& G) const {
        G.assign(FEATURES, 0.0f);
        float sum = 0.0f;
        for (int i = 0; i < POINTS; ++i) {
            float residual = -y[i];
            for (int k = 0; k < FEATURES; ++k) {
                residual += x[i * FEATURES + k] * w[k];
            }
            sum += residual * residual / POINTS;
            for (int k = 0; k < FEATURES; ++k) {
                G[k] += 2.0f * residual * x[i * FEATURES + k] / POINTS;
            }
        }
        return sum;
    }
};

float train_with_momentum(const Data& data) {
    std::vector<float> w(FEATURES), G, X(FEATURES);
    momentum::Inputs in{};  // the defaults of all hyperparameters that have one
    in.lr = 0.1;
    for (int n = 1; n <= STEPS; ++n) {
        data.loss(w, G);
        in.n = n;
        const auto step = momentum::coefficients<float>(in);
        for (int k = 0; k < FEATURES; ++k) {
            momentum::update(w[k], G[k], X[k], step);
        }
    }
    return data.loss(w, G);
}

float train_with_adam(const Data& data) {
    std::vector<float> w(FEATURES), G, X(FEATURES), M(FEATURES);
    adam::Inputs in{};
    in.lr = 0.02;
    for (int n = 1; n <= STEPS; ++n) {
        data.loss(w, G);
        in.n = n;  // bias corrections follow from the number of the step
        const auto step = adam::coefficients<float>(in);
        for (int k = 0; k < FEATURES; ++k) {
            adam::update(w[k], G[k], X[k], M[k], step);
        }
    }
    return data.loss(w, G);
}

}  // namespace

int main() {
    const Data data;
    std::vector<float> G;
    const float start = data.loss(std::vector<float>(FEATURES), G);
    const float first = train_with_momentum(data), second = train_with_adam(data);
    std::printf("loss at the start   %.3e\n", start);
    std::printf("momentum            %.3e\n", first);
    std::printf("Adam                %.3e\n", second);
    // What is left is the noise in y, whose square is 1e-4 in the mean.
    return first < 1.2e-4f && second < 1.2e-4f ? 0 : 1;
}
