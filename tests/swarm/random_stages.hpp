// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/swarm/random_layout.hpp"

#include <optional>
#include <string>

namespace sim::swarm {

// A stage of any kind; without a layout the program searches for one.
Tree random_stage(Choices& choices, const std::string& name, const Machine& machine,
                  const std::optional<Layout>& layout);

} // namespace sim::swarm
