// SPDX-License-Identifier: Apache-2.0
// Loads of very many hashed flows, without hashing each. A switch spreads N queue pairs over its
// cables independently and with known chances, so that their numbers on the cables are a
// multinomial draw: conditional binomials, cable after cable (Devroye, Non-Uniform Random Variate
// Generation, 1986, section XI.1.4). N is in the thousands here, and a binomial of that size is a
// normal of its mean and variance, rounded (de Moivre, Laplace).
#include "sim/base/random.hpp"
#include "sim/topology/switched_fabric.hpp"

#include <algorithm>
#include <cmath>

namespace sim::topology {
namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

class Spread {
public:
  Spread(std::uint64_t seed, double queue_pairs, std::span<double> load)
      : random_(seed, "hashed loads"), queue_pairs_(queue_pairs), load_(load) {}

  // The next `cables` links that are put share these flows' queue pairs.
  void begin(double flows, int cables) {
    left_ = std::round(flows * queue_pairs_);
    cables_left_ = cables;
  }
  void put(LinkId link) {
    double drawn = left_;
    if (cables_left_ > 1) {
      const double share = 1.0 / cables_left_;
      const double mean = left_ * share;
      drawn = std::round(mean + std::sqrt(mean * (1 - share)) * random_.normal());
      drawn = std::clamp(drawn, 0.0, left_);
    }
    load_[link] += drawn / queue_pairs_;
    left_ -= drawn;
    --cables_left_;
  }

private:
  RandomStream random_;
  double queue_pairs_;
  std::span<double> load_;
  double left_ = 0;
  int cables_left_ = 1;
};

} // namespace

// As choose() does: an uplink of the leaf, a cable up of the spine, a copy on the way down, each
// with equal chances.
void SwitchedFabric::spread_hashed(const Crossings& crossings, std::span<double> load) const {
  const Layout& l = layout_;
  Spread spread(static_cast<std::uint64_t>(fabric_.hash_seed), fabric_.queue_pairs, load);
  for (int leaf = 0; leaf < l.leaves() && l.spines > 0; ++leaf)
    for (const bool down : {false, true}) {
      spread.begin(down ? crossings.into_leaf[at(leaf)] : crossings.out_of_leaf[at(leaf)],
                   l.uplinks);
      for (int uplink = 0; uplink < l.uplinks; ++uplink)
        spread.put(leaf_link(leaf, uplink % l.spines, uplink / l.spines) + (down ? 1 : 0));
    }
  for (int pod = 0; pod < l.wiring.planes * l.pods && l.cores > 0; ++pod)
    for (const bool down : {false, true}) {
      spread.begin(down ? crossings.into_pod[at(pod)] : crossings.out_of_pod[at(pod)],
                   l.spines * l.cores * l.spine_copies);
      for (int cable = 0; cable < l.spines * l.cores * l.spine_copies; ++cable) {
        const int path = cable / l.spine_copies;
        spread.put(spine_link(pod, path / l.cores, path % l.cores, cable % l.spine_copies) +
                   (down ? 1 : 0));
      }
    }
}

} // namespace sim::topology
