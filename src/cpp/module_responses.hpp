// Kernels over answers to items are bound in a file of their own.
#pragma once
#include <nanobind/nanobind.h>

#include "kernels.hpp"

// The build that the module uses at present; see module.cpp.
const halfseen::Build& chosen_build();

void define_responses(nanobind::module_& m);
