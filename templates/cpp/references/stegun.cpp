// A reference: Abramowitz and Stegun, "Handbook of Mathematical Functions", formula 7.1.27 (from memory); the error is below 5e-4.
#include <cstdio>

double approximate(double x) {
    double p = 1 + x * (0.278393 + x * (0.230389 + x * (0.000972 + x * 0.078108)));
    return 1 - 1 / (p * p * p * p);
}

int main() {
    double x;
    while (std::scanf("%lf", &x) == 1) std::printf("%.17g\n", approximate(x));
}
