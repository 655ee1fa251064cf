// SPDX-License-Identifier: Apache-2.0
// Carries the precompiled headers of the tests; main.cpp cannot, since it defines what Catch2's
// header reads.
