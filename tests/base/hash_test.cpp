// SPDX-License-Identifier: Apache-2.0
#include "sim/base/hash.hpp"

#include <catch2/catch.hpp>

using namespace sim;

TEST_CASE("SHA-256 gives the digests of the FIPS 180 examples") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                   "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu") ==
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("FNV-1a gives the values of its authors' test vectors") {
  CHECK(fnv1a("") == 0xcbf29ce484222325ULL);
  CHECK(fnv1a("a") == 0xaf63dc4c8601ec8cULL);
  CHECK(fnv1a("foobar") == 0x85944171f73967e8ULL);
}

TEST_CASE("numbers hash by value and in a fixed byte order") {
  CHECK(fnv1a(0.0, fnv_offset) == fnv1a(-0.0, fnv_offset));
  CHECK(fnv1a(1.0, fnv_offset) != fnv1a(2.0, fnv_offset));
  CHECK(fnv1a(std::uint64_t{0x636261}, fnv_offset) == fnv1a(std::string_view("abc\0\0\0\0\0", 8)));
}
