// Kernels over pairs of columns are bound in a file of their own.
#pragma once
#include <nanobind/nanobind.h>

void define_pairs(nanobind::module_& m);
