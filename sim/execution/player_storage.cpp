// SPDX-License-Identifier: Apache-2.0
// Checkpoints on their way to storage over the NICs of training: on each trunk one flow that asks
// for its rate throughout the step, and shares the trunk as any other flow does.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/player.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

constexpr double portion = 3600; // seconds at the rate asked for, then the next one

} // namespace

// Where nobody else could fill the trunk, a write has what it asks for.
void Player::add_storage_flows() {
  for (std::size_t i = 0; i < machine_.trunks.size(); ++i) {
    const double rate = machine_.trunks[i].storage.base();
    if (rate > 0 && trunk_resources_[i] != none)
      storage_flows_.push_back(
          {rate,
           {engine::Draw{trunk_resources_[i], 1}, engine::Draw{engine_.add_resource(rate), 1}}});
  }
}

void Player::start_storage(std::uint32_t flow) {
  const StorageFlow& storage = storage_flows_[flow];
  engine::ActivitySpec spec;
  spec.work = portion * storage.rate;
  spec.draws = storage.draws;
  Parcel parcel;
  parcel.storage = flow;
  spec.tag = parcel_tag(parcel);
  engine_.start(spec);
}

void Player::note_storage_share() {
  const double elapsed = now();
  for (const StorageFlow& flow : storage_flows_)
    if (elapsed > 0)
      timing_.storage_share = std::min(
          timing_.storage_share, engine_.drawn(flow.draws[1].resource) / (flow.rate * elapsed));
}

} // namespace sim::execution
