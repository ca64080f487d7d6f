// limbeck-train: the same program with libtorch in it, which takes .4 s to load.
#pragma once

namespace limbeck::cli {

// Goes on as limbeck-train, found beside this program or in its libexec folder, with the same
// arguments; does nothing where this program has the trainer itself, or none is installed.
//
// There GOMP_SPINCOUNT=1000, unless the environment says already how OpenMP's threads wait for each
// other. By default libgomp's spin for milliseconds; where anything else runs on the machine,
// training was 10 times slower for it (2 cores, one busy), and 10 % faster on an idle one. libgomp
// reads the variable when it is loaded, before main.
void continue_as_trainer(char** argv);

}  // namespace limbeck::cli
