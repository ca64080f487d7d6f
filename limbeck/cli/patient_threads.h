// How OpenMP's threads wait for each other.
#pragma once

namespace limbeck::cli {

// Starts this program again with GOMP_SPINCOUNT=1000, unless the environment says how to wait
// already. By default libgomp's threads spin for milliseconds; where anything else runs on the
// machine, training was 10 times slower for it (2 cores, one busy), and 10 % faster on an idle one.
// libgomp reads the variable when it is loaded, before main. Does nothing if it cannot.
void wait_patiently(char** argv);

}  // namespace limbeck::cli
