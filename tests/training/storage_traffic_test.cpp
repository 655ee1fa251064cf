// SPDX-License-Identifier: Apache-2.0
#include "sim/training/storage_traffic.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/workload/counts.hpp"
#include "tests/training/setting.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::training;
using hardware::StorageNetwork;

namespace {

// A run that saves every ten minutes, over storage that is no bottleneck of the cluster.
RunInput saving(StorageNetwork network) {
  RunInput input = small_run();
  input.stages = {pretraining("pre", 2e10, 128)};
  hardware::PoolSpec& pool = input.cluster.main;
  pool.node->storage.network = network;
  // Rings take some 20 GB/s of a NIC, as fast as the scale-up domain lets them: half of these is
  // less.
  pool.node->nic.bandwidth = pool.fabric->link_bandwidth = 25e9 * (byte / second);
  input.checkpoint.interval.given = 10 * minute;
  input.checkpoint.storage_bandwidth = 1e12 * (byte / second);
  return input;
}

} // namespace

TEST_CASE(
    "checkpoints travel as fast as storage, the nodes' links to it and shared NICs let them") {
  hardware::PoolSpec pool = small_pool(4); // eight NICs of 50 GB/s, 96 % of it
  const auto rate = [&](double storage) {
    return storage_rate(pool, storage * (gigabyte / second)) / (gigabyte / second);
  };
  CHECK(rate(100) == Approx(100));
  CHECK(rate(1e6) == Approx(1e6));
  pool.node->storage.bandwidth = 50 * gigabyte / second;
  CHECK(rate(100) == Approx(100));
  CHECK(rate(1e6) == Approx(4 * 50));
  pool.node->storage.bandwidth.reset();
  pool.node->storage.network = StorageNetwork::Shared;
  CHECK(rate(100) == Approx(100));
  CHECK(rate(1e6) == Approx(4 * 8 * 48));
}

TEST_CASE("a write beside training costs what the steps under it take longer") {
  // 60 s of writing at the rate asked for; steps of 2 s take 2.5, and the write gets 3/4 of its
  // rate: it lasts 80 s, in which 64 s of work are done. 16 s are lost.
  const reliability::CheckpointCost cost{1 * second, 60 * second, 60 * second};
  const auto beside = beside_training(cost, 2 * second, 2.5 * second, 0.75);
  CHECK(beside.stall / second == Approx(1 + 16));
  CHECK(beside.persistence / second == Approx(64));
  CHECK((beside.stall + beside.persistence) / second == Approx(1 + 80));
  CHECK(beside.load == cost.load);
  // Steps that are no longer cost nothing.
  const auto free = beside_training(cost, 2 * second, 2 * second, 1);
  CHECK(free.stall == cost.stall);
  CHECK(free.persistence == cost.persistence);
  CHECK_THROWS_AS(beside_training(cost, 2 * second, 2 * second, 0), InternalError);
}

TEST_CASE("storage on the NICs of training costs a run time, storage of its own does not") {
  const RunResult own = simulate_run(saving(StorageNetwork::Own)),
                  shared = simulate_run(saving(StorageNetwork::Shared));
  CHECK(own.stages[0].failures.checkpoints > 0);
  CHECK(shared.wall > own.wall);
  // Each costs less than the time of its writing.
  const double write = workload::parameters(small_run().model.spec).total * 12 / (32 * 24e9 / 2);
  CHECK(to_seconds(shared.wall - own.wall) / second <
        write * double(own.stages[0].failures.checkpoints));
  CHECK(shared.stages[0].useful == own.stages[0].useful);
  CHECK(shared.stages[0].step_time == own.stages[0].step_time);
  CHECK(shared.ledger.total() == GpuNanoseconds{shared.wall.nanoseconds} * 32);
  // On NICs that have room for both nothing is lost.
  const auto roomy = [](StorageNetwork network) {
    RunInput input = saving(network);
    input.cluster.main.node->nic.bandwidth = input.cluster.main.fabric->link_bandwidth =
        50e9 * (byte / second);
    return simulate_run(input).wall;
  };
  CHECK(roomy(StorageNetwork::Shared) == roomy(StorageNetwork::Own));
}

TEST_CASE("nothing is shared where training stands still, where there are no checkpoints or NICs") {
  const auto equal = [](auto change) {
    RunInput own = saving(StorageNetwork::Own), shared = saving(StorageNetwork::Shared);
    for (RunInput* input : {&own, &shared}) {
      input->checkpoint.storage_bandwidth = 3e11 * (byte / second); // less than the NICs carry
      change(*input);
    }
    return simulate_run(own).wall == simulate_run(shared).wall;
  };
  CHECK(!equal([](RunInput&) {}));
  CHECK(equal([](RunInput& i) { i.checkpoint.mode = reliability::CheckpointMode::Synchronous; }));
  CHECK(equal([](RunInput& i) { i.checkpoint.interval.given.reset(); })); // nothing fails: none
  CHECK(equal([](RunInput& i) { i.cluster.main.nodes = 1; }));
}
