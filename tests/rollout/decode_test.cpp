// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/decode.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "tests/rollout/setting.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using namespace sim::rollout;

TEST_CASE("one sequence per GPU of DeepSeek-V3 reads its weights: hand arithmetic") {
  Case c;
  c.decoding.drafts = 0;
  const DecodeStep step = decode_step(c.setting(), 1, 10000);
  // Per layer: attention 187.1e6, router 7168 * 256; shared expert and each routed expert 3 * 7168
  // * 2048; three dense feed-forwards 3 * 7168 * 18432; head 7168 * 129280 in two bytes. 64 GPUs
  // hold 4 experts of a layer each; 512 token copies hit 1 - (255/256)^512 of them.
  const double attention = 61 * 187.1e6, expert = 3.0 * 7168 * 2048;
  const double dense =
      attention + 58 * (expert + 7168 * 256) + 3 * 3.0 * 7168 * 18432 + 2 * 7168.0 * 129280;
  double miss = 1;
  for (int copy = 0; copy < 512; ++copy)
    miss *= 255.0 / 256;
  const double bytes = dense + 58 * 4 * expert * (1 - miss);
  const double sampling = 48.0 * 129280 / (3.35e12 * 0.85); // logits, six passes of 8 bytes
  CHECK(step.weights_or_gemm / second == Approx(bytes / (3.35e12 * 0.84) + sampling).epsilon(2e-3));
  // Absorbed attention: 128 heads, scores over 576 and values over 512 dimensions, 61 layers, 59 %
  // of the 16-bit peak; the cache of 70,272 bytes per token is read faster than that.
  const double compute = 10000 * 2.0 * 128 * (576 + 512) * 61 / (989.4e12 * 0.59);
  const double read = 10000 * 70272.0 / (3.35e12 * 0.9);
  CHECK(step.attention / second == Approx(std::max(compute, read)).epsilon(1e-9));
  CHECK(step.kernels / microsecond == Approx(61 * 50));
  // 8 copies of 7168 values in 1 + 4/128 and 2 bytes, 56 of 64 to other nodes over 44 GB/s; two
  // floors of 30 us.
  // The fullest of 64 ranks, of 8 copies on average, receives sqrt(2 ln 64 / 8) more.
  const double fullest = 1 + std::sqrt(2 * 4.1588830833596715 / 8);
  const double exchange =
      fullest * 8 * 7168 * (1 + 4.0 / 128 + 2) * 56 / 64 / (50e9 * 0.88) + 60e-6;
  CHECK(step.all_to_all / second == Approx(58 * exchange).epsilon(1e-9));
  CHECK(step.duration == step.weights_or_gemm + step.attention + step.kernels + step.all_to_all);
  CHECK(step.tokens_per_sequence == 1);
}

TEST_CASE("accepted drafts are a geometric series") {
  Case c;
  for (const double acceptance : {0.0, 0.5, 0.85, 1.0})
    for (const int drafts : {0, 1, 2, 5}) {
      c.decoding.drafts = drafts;
      c.decoding.acceptance = acceptance;
      double tokens = 1, product = 1;
      for (int draft = 0; draft < drafts; ++draft)
        tokens += product *= acceptance;
      CHECK(decode_step(c.setting(), 4, 1000).tokens_per_sequence == Approx(tokens));
    }
  // Published for V3 with one draft at 80 to 90 %: 1.8 times the tokens.
  c.decoding.drafts = 1;
  c.decoding.acceptance = 0.85;
  CHECK(decode_step(c.setting(), 4, 1000).tokens_per_sequence == Approx(1.8).margin(0.1));
}

TEST_CASE("a dense model reads weights and grouped-query cache, tensor-parallel replicas a part of "
          "both") {
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.weight_bytes = 2 * byte;
  c.decoding.expert = 1;
  const DecodeStep alone = decode_step(c.setting(), 1, 4000);
  // 8,030,261,248 parameters with two tables of 4096 * 128256; the input table is only looked up.
  // Norms: 65 * 4096.
  const double read = 2 * (8030261248.0 - 4096.0 * 128256);
  const double sampling = 48.0 * 128256 / (3.35e12 * 0.85);
  CHECK(alone.weights_or_gemm / second == Approx(read / (3.35e12 * 0.84) + sampling).epsilon(1e-4));
  const double cache = 4000 * 2.0 * 2 * 8 * 128 * 32;
  CHECK(alone.attention / second == Approx(cache / (3.35e12 * 0.9)).epsilon(1e-9));
  CHECK(alone.all_to_all == Seconds{});

  c.decoding.expert = 4;
  const DecodeStep spread = decode_step(c.setting(), 0.25, 4000);
  // Every rank samples the whole vocabulary.
  CHECK((spread.weights_or_gemm / second - sampling) /
            (alone.weights_or_gemm / second - sampling) ==
        Approx(0.25));
  CHECK(spread.attention / alone.attention == Approx(0.25));
  // 64 all-reduces of one token's 8 KiB: two latencies and 2 * 3/4 of the buffer each.
  const double all_reduce = 2 * 3.3e-6 + 1.5 * 8192 / (200e9 * 0.82);
  CHECK(spread.all_to_all / second == Approx(64 * all_reduce).epsilon(1e-9));
}

TEST_CASE(
    "groups that share attention: a share of the heads each, the cache and the stream whole") {
  Case c;
  c.decoding.drafts = 0;
  const DecodeStep own = decode_step(c.setting(), 16, 8000);
  CHECK(own.sums == Seconds{});
  c.decoding.tensor = 4;
  const DecodeStep shared = decode_step(c.setting(), 16, 8000);
  // Sums after attention in 61 layers and after 3 dense feed-forwards, of 64 tokens of 7,168 in 16
  // bit: two latencies and 2 * 3/4 of the buffer each.
  const double sum = 2 * 3.3e-6 + 1.5 * 64 * 7168 * 2 / (200e9 * 0.82);
  CHECK(shared.sums / second == Approx(64 * sum).epsilon(1e-9));
  CHECK((shared.all_to_all - shared.sums) / own.all_to_all == Approx(1).epsilon(1e-9));
  // 64 sequences of a group on each of its GPUs, 32 heads: bound by the cache that each reads.
  const double read = 64 * 8000 * 70272.0 / (3.35e12 * 0.9);
  CHECK(shared.attention / second == Approx(read).epsilon(1e-9));
  // What drafts multiply hides behind it; their own layer reads its cache.
  c.decoding.drafts = 1;
  CHECK(decode_step(c.setting(), 16, 8000).attention / shared.attention ==
        Approx(62.0 / 61).epsilon(1e-9));
}

TEST_CASE("acceptance by position multiplies up, one for each draft") {
  Case c;
  c.decoding.drafts = 3;
  c.decoding.acceptance_by_position = {0.9, 0.7, 0.5};
  CHECK(decode_step(c.setting(), 4, 1000).tokens_per_sequence ==
        Approx(1 + 0.9 + 0.9 * 0.7 + 0.9 * 0.7 * 0.5));
  c.decoding.drafts = 2;
  CHECK_THROWS_AS(decode_step(c.setting(), 4, 1000), InfeasibleError);
}

TEST_CASE("an eager engine's step is the host's or the device's, whichever is longer; scheduling "
          "adds to both") {
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  const DecodeStep graph = decode_step(c.setting(), 16, 1000);
  CHECK(graph.host == Seconds{});
  c.decoding.host_layer_time = 1 * millisecond;
  CHECK(decode_step(c.setting(), 16, 1000).duration / millisecond == Approx(32));
  c.decoding.host_layer_time = 1 * microsecond;
  CHECK(decode_step(c.setting(), 16, 1000).duration == graph.duration);
  c.decoding.host_step_time = 2 * millisecond;
  c.decoding.host_sequence_time = 20 * microsecond;
  const DecodeStep scheduled = decode_step(c.setting(), 16, 1000);
  CHECK((scheduled.duration - graph.duration) / millisecond == Approx(2.32));
  CHECK(scheduled.host / millisecond == Approx(2.32));
}

TEST_CASE("two half-batches read the weights twice and hide the exchange") {
  Case c;
  c.decoding.drafts = 0;
  const DecodeStep whole = decode_step(c.setting(), 96, 4989);
  const DecodeStep half = decode_step(c.setting(), 48, 4989);
  c.decoding.two_batch_overlap = true;
  const DecodeStep overlapped = decode_step(c.setting(), 96, 4989);
  CHECK(overlapped.duration < whole.duration);
  CHECK(overlapped.weights_or_gemm / second == Approx(2 * (half.weights_or_gemm / second)));
  CHECK(overlapped.attention == whole.attention);
  const double compute =
      (overlapped.weights_or_gemm + overlapped.attention + overlapped.kernels) / second;
  const double exchange = 2 * (half.all_to_all / second);
  CHECK(overlapped.duration / second ==
        Approx(std::max(compute, exchange) + 0.3 * std::min(compute, exchange)));
  // Nearly empty batches are not cut.
  CHECK(decode_step(c.setting(), 0.1, 10).duration <= half.duration);
  Case plain;
  plain.decoding.drafts = 0;
  CHECK(decode_step(c.setting(), 0.1, 10).duration ==
        decode_step(plain.setting(), 0.1, 10).duration);
}

TEST_CASE("a tensor-parallel replica of an expert model cuts every expert: no exchange, sums over "
          "nodes as the network does them") {
  Case c;
  c.decoding.drafts = 0;
  c.decoding.expert = c.decoding.tensor = c.decoding.expert_tensor = 32;
  const DecodeModel model(c.setting());
  CHECK_FALSE(model.exchanges_tokens());
  // 64 sequences of the replica: 122 sums of 64 x 7,168 values in 16 bit.
  const DecodeStep step = model.step(2, 1000);
  const AllReduceTime sum(c.pool, 32);
  CHECK(step.all_to_all / second == Approx(122 * (sum(64 * 7168 * 2.0 * byte) / second)));
  // A ring over nodes takes at least the bytes of its NICs.
  CHECK(sum(64 * mebibyte) / second > 1.5 * 64 * 1048576 / 400e9);
  CHECK(sum(1 * mebibyte) <= sum(2 * mebibyte));
  // One latent cache on each GPU: a thirty-second of what data-parallel attention holds, about.
  Case spread;
  spread.decoding.drafts = 0;
  spread.decoding.expert = 32;
  CHECK(model.cache_tokens() < DecodeModel(spread.setting()).cache_tokens() / 16);
  c.decoding.expert_tensor = 8;
  CHECK_THROWS_AS(DecodeModel(c.setting()), InfeasibleError);
  c.decoding.expert_tensor = 1;
  c.decoding.tensor = 3;
  CHECK_THROWS_AS(DecodeModel(c.setting()), InfeasibleError);
}

TEST_CASE(
    "a power limit slows what multiplies bound by the clock, and reading weights and caches not") {
  Case c;
  const DecodeModel free(c.setting());
  hardware::AcceleratorSpec& chip = c.pool.node->accelerator.spec;
  chip.power = 700 * watt;
  chip.idle_power = 100 * watt;
  chip.power_limit = 100 * watt + 0.729 * 600 * watt; // 0.9 of the clock
  chip.kernels->power_curve = hardware::PowerCurveSpec{0.7};
  const DecodeModel limited(c.setting());
  const PrefillTime fast = free.prefill_parts(4000), slow = limited.prefill_parts(4000);
  CHECK(fast.multiplies / slow.multiplies == Approx(0.9).epsilon(1e-12));
  CHECK(fast.attention / slow.attention == Approx(0.9).epsilon(1e-12));
  CHECK(slow.exchange == fast.exchange);
  // Absorbed latent attention, 128 heads on one cache, is bound by its multiplies.
  CHECK(limited.step(1, 1000).duration > free.step(1, 1000).duration);
  Case dense; // reads weights and a cache of 8 heads
  dense.model = llama_8b();
  dense.decoding.drafts = 0;
  dense.decoding.expert = 1;
  const DecodeModel fast_dense(dense.setting());
  dense.pool = c.pool;
  const DecodeModel slow_dense(dense.setting());
  CHECK(slow_dense.step(1, 1000).duration == fast_dense.step(1, 1000).duration);
  CHECK(slow_dense.step(1000, 1).duration > fast_dense.step(1000, 1).duration);
}

TEST_CASE("cached prompt tokens are not multiplied but expanded and attended to") {
  Case c;
  const DecodeModel model(c.setting());
  const PrefillTime whole = model.prefill_parts(4000), rest = model.prefill_parts(1000, 3000);
  // Keys of 128 and values of 128 for each of 128 heads from 512 latent elements, 61 times.
  const double rate = 1978.9e12 * 0.74 * 7168 / (7168 + 730.0) * 0.9;
  const double expanded = 3000 * 61 * 2.0 * 512 * 128 * (128 + 128) / rate;
  CHECK((rest.multiplies / second - expanded) / (whole.multiplies / second) == Approx(0.25));
  CHECK(rest.exchange / whole.exchange == Approx(0.25));
  CHECK((model.prefill_parts(3000).attention + rest.attention) / whole.attention ==
        Approx(1).epsilon(1e-9));
  // Expert parallelism over 8 nodes: at most 4 copies of a token, 7/8 of them outside, 44 GB/s.
  const double exchange = 58 * 4 * 7.0 / 8 * 7168 * (1 + 4.0 / 128 + 2) / 44e9;
  CHECK(model.prefill_parts(1).exchange / second == Approx(exchange).epsilon(1e-9));
}

TEST_CASE("small kernels of a prompt move what they move: hand arithmetic") {
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  c.decoding.weight_bytes = 2 * byte;
  const auto time = [&c](double tokens) {
    return DecodeModel(c.setting()).prefill_parts(tokens).kernels / second;
  };
  // Elements of 16 bit that a token moves: two norms read and write, rotations of 32 queries and 8
  // keys too, two residual adds move three of them, SwiGLU reads two and writes one; the table of
  // the embedding once. Shares of the bandwidth: 0.5, 0.5, 0.85.
  const double repeated = 32 * (2 * 2 * 4096 / 0.5 + 2 * 3 * 4096 / 0.85) + 2 * 4096 / 0.5;
  const double cut = 32 * (2 * 40 * 128 / 0.5 + 3 * 14336 / 0.85);
  const double bytes = 2 * (repeated + cut);
  CHECK(time(1) == Approx(bytes / 3.35e12).epsilon(1e-9));
  CHECK(time(5000) == Approx(5000 * bytes / 3.35e12).epsilon(1e-9));
  // Tensor-parallel GPUs all hold the residual stream.
  c.decoding.expert = 4;
  CHECK(time(1) == Approx((bytes + 2 * 3 * repeated) / 3.35e12).epsilon(1e-9));
  // 8-bit multiplies: their operands, 3 hidden and one inner wide, are read in 2 and written in 1 +
  // 4/128 bytes at 0.6.
  c.decoding.expert = 1;
  c.decoding.weight_bytes = 1 * byte;
  const double casts = 32 * (3 * 4096 + 14336) * (3 + 4.0 / 128) / 0.6;
  CHECK(time(1) == Approx((bytes + casts) / 3.35e12).epsilon(1e-9));
  // GPUs that heads and widths do not divide over do some of the work twice.
  c.decoding.weight_bytes = 2 * byte;
  c.pool = h800_pool(3);
  c.decoding.expert = 6;
  const double six = time(1);
  CHECK(six > (bytes + 2 * 5 * repeated) / 3.35e12);
  CHECK(six <= 6 * bytes / 3.35e12);
}

TEST_CASE("small kernels of experts: more for a fuller rank, cut where experts are") {
  Case c;
  const auto time = [&c] { return DecodeModel(c.setting()).prefill_parts(1).kernels; };
  const Seconds even = time();
  c.stack.expert_imbalance = 1.2;
  CHECK(time() > even);
  CHECK(time() < 1.2 * even);
  c.stack.expert_imbalance = 1;
  // Groups of two hold the residual stream twice, a copy of an expert's token once.
  c.decoding.tensor = 2;
  CHECK(time() > even);
  CHECK(time() < 2 * even);
}

TEST_CASE("verified drafts read the cache once: free where memory bounds attention") {
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  c.decoding.acceptance = 0.9;
  const Seconds alone = decode_step(c.setting(), 16, 8000).attention;
  c.decoding.drafts = 3;
  CHECK(decode_step(c.setting(), 16, 8000).attention == alone);
  // One latent entry serves 128 heads: 2 x (512 + 576) FLOP on 1,152 bytes for each of them are
  // more than Hopper has, with drafts as often again.
  Case latent;
  const Seconds verified = decode_step(latent.setting(), 16, 8000).attention;
  latent.decoding.drafts = 0;
  CHECK(verified / decode_step(latent.setting(), 16, 8000).attention ==
        Approx(2 * 62.0 / 61).epsilon(1e-9));
}

TEST_CASE("a sliding window bounds the cache that a step reads and a prompt's attention") {
  Case c;
  c.model = llama_8b();
  c.decoding = {};
  c.decoding.expert = 1;
  const Seconds at_window = decode_step(c.setting(), 1, 1000).attention;
  const Seconds prompt = DecodeModel(c.setting()).prefill(16000);
  c.model.attention.window = 1000;
  CHECK(decode_step(c.setting(), 1, 4000).attention == at_window);
  CHECK(decode_step(c.setting(), 1, 500).attention / at_window == Approx(0.5));
  const DecodeModel model(c.setting());
  CHECK(model.kept(4000) == 1000);
  CHECK(model.kept(10) == 10);
  CHECK(model.prefill(16000) < prompt);
}

TEST_CASE("a step takes longer with more sequences, more context, and less hardware") {
  RandomStream random(11, "tests/decode");
  for (int round = 0; round < 200; ++round) {
    Case c;
    if (random.below(2) == 0) {
      c.model = llama_8b();
      c.decoding.drafts = 0;
      c.decoding.expert = 1 << random.below(4);
    } else {
      c.decoding.expert = 16 << random.below(4);
    }
    const double sequences = 0.1 + 200 * random.uniform(), context = 30000 * random.uniform();
    const DecodeModel model(c.setting());
    const Seconds base = model.step(sequences, context).duration;
    CHECK(model.step(sequences * 1.3, context).duration >= base);
    CHECK(model.step(sequences, context * 1.3).duration >= base);
    // Per sequence, a fuller batch is never dearer.
    CHECK(model.step(sequences * 1.3, context).duration / 1.3 <= base * (1 + 1e-12));
    c.pool.node->accelerator->memory_bandwidth *= 0.7;
    CHECK(DecodeModel(c.setting()).step(sequences, context).duration >= base);
    c.pool.node->nic.bandwidth *= 0.5;
    c.stack.rollout_efficiency = 0.5;
    CHECK(DecodeModel(c.setting()).step(sequences, context).duration >= 2 * base * (1 - 1e-12));
  }
}

TEST_CASE("the production decoder of DeepSeek-V3: 14,800 tokens per second on a node of H800") {
  // deepseek-ai/open-infra-index, day 6: expert parallelism over 144 GPUs, 4,989 tokens of context
  // on average. A load of about 100 sequences per GPU follows from 1,850 tokens per second per GPU
  // at 20 to 22 tokens per second per user, less what a serving system loses to scheduling: the
  // roofline should lie above the published rate, but not far.
  Case c;
  c.pool = h800_pool(18);
  c.decoding.expert = 144;
  c.decoding.drafts = 0;
  const double rate = 96 / (decode_step(c.setting(), 96, 4989).duration / second);
  CHECK(rate > 0.9 * 1850);
  CHECK(rate < 1.3 * 1850);
}

TEST_CASE("a replica is the smallest power of two that leaves room for a cache") {
  Case c;
  c.decoding.expert = 0;
  // 671e9 bytes: 8 GPUs need 17 GB of dense weights and 32 experts a layer, 82 GB, each: more than
  // 80 GiB leave; 16 GPUs fit.
  CHECK(replica_gpus(c.setting()) == 16);
  c.model = llama_8b();
  c.decoding.weight_bytes = 2 * byte;
  c.decoding.drafts = 0;
  CHECK(replica_gpus(c.setting()) == 1);
  c.pool.node->accelerator->memory = 12 * gibibyte;
  CHECK(replica_gpus(c.setting()) == 4); // 16 GB / 2 + 4 GiB = 11.5 GiB: no tenth left
}

TEST_CASE("impossible replicas are refused with the key to change") {
  Case c;
  c.decoding.expert = 7;
  CHECK_THROWS_AS(replica_gpus(c.setting()), InfeasibleError);
  c.decoding.expert = 1024;
  CHECK_THROWS_AS(replica_gpus(c.setting()), InfeasibleError);
  c.decoding.expert = 8;
  CHECK_THROWS_AS(replica_gpus(c.setting()), InfeasibleError);
  c.decoding.expert = 0;
  c.pool = h800_pool(1);
  CHECK_THROWS_AS(replica_gpus(c.setting()), InfeasibleError);
  Case kernels;
  kernels.pool.node->accelerator->kernels->gemm.clear();
  CHECK_THROWS_AS(decode_step(kernels.setting(), 1, 1), InfeasibleError);
}

TEST_CASE("a chip without FP8 widens narrow weights: memory time stays, multiply time doubles") {
  Case c;
  c.decoding.drafts = 0;
  const DecodeStep read_bound = decode_step(c.setting(), 1, 0),
                   compute_bound = decode_step(c.setting(), 1024, 0);
  c.pool.node->accelerator->peak.erase(hardware::Precision::Fp8);
  CHECK(decode_step(c.setting(), 1, 0).weights_or_gemm == read_bound.weights_or_gemm);
  CHECK(decode_step(c.setting(), 1024, 0).weights_or_gemm > 1.5 * compute_bound.weights_or_gemm);
}
