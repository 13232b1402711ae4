// Approximates erf on [0, 3]. Only what stands between the marks may change.
#include <cstdio>

// EVOLVE-BLOCK-START
double approximate(double x) {
    return x / (0.8 + 1.0 * x);
}
// EVOLVE-BLOCK-END

int main() {
    double x;
    while (std::scanf("%lf", &x) == 1) std::printf("%.17g\n", approximate(x));
}
