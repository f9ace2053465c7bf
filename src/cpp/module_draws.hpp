// Kernels of Gibbs samplers are bound in a file of their own.
#pragma once
#include <nanobind/nanobind.h>

void define_draws(nanobind::module_& m);
