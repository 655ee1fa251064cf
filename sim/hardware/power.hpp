// SPDX-License-Identifier: Apache-2.0
// Power of a node under load: idle + (full - idle) * utilisation, per time spent in each state; and
// the clock that a limit on a chip's power leaves. Fractions of the dynamic range by state, and the
// curve, are in the room's README with their source.
#pragma once

#include "sim/hardware/spec.hpp"

namespace sim::hardware {

enum class LoadState { Compute, Communication, Generation, Waiting, Checkpoint, Down };

// Clock of the multiprocessors under power_limit over that at the rated power; 1 without a limit.
// With p = (power_limit - idle_power) / (power - idle_power) and v = voltage_floor it is the cube
// root of p, and p / v^2 below p = v^3: dynamic power of CMOS, C V^2 f, with V in proportion to f
// down to the floor. Throws InfeasibleError("cluster.node.accelerator...") where the rated or the
// idle power or the curve is not known, or the limit is not between idle and rated power.
double clock_fraction(const AcceleratorSpec& accelerator);

// Rate of what the multiprocessors bound, in a running step, over that of a lone kernel at the
// rated power: sustained_fraction x clock_fraction.
double sustained_rate(const AcceleratorSpec& accelerator);

// Per GPU: its share of the node, with no state above what a limited chip draws when it computes.
Watts power_per_gpu(const NodeSpec& node, LoadState state);

} // namespace sim::hardware
