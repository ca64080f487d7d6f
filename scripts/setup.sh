#!/bin/sh
# Installs the Debian packages the build needs and that are missing; nothing to do, no network.
# scripts/setup.sh            what `make build`, `make test` and `make demo` need
# scripts/setup.sh developer  also what the format check, fuzzing and the interop suite need
# scripts/setup.sh arm        also what `make arm` needs: a cross compiler, arm64 libraries, qemu-user
set -eu

build="make g++ cmake ninja-build pkg-config
  libfmt-dev nlohmann-json3-dev libyaml-cpp-dev libssl-dev libcli11-dev libcurl4-openssl-dev
  libboost-dev libpcre2-dev libutf8proc-dev libsqlite3-dev libgtest-dev libbenchmark-dev
  libtorch-dev libgloo-dev libopenblas0-openmp"
developer="cppcheck strace clang-14 libclang-rt-14-dev llvm-14 clang-format-14 clang-tidy-14 python3 python3-venv chromium"

arm="g++-aarch64-linux-gnu qemu-user libfmt-dev:arm64 libyaml-cpp0.7:arm64 libssl-dev:arm64 libcurl4-openssl-dev:arm64
  libpcre2-dev:arm64 libutf8proc-dev:arm64 libsqlite3-dev:arm64 libgtest-dev:arm64 libbenchmark-dev:arm64"

packages=$build
case ${1:-} in
  developer) packages="$packages $developer" ;;
  arm) packages="$packages $arm" ;;
esac

if ! command -v apt-get >/dev/null; then
  echo "setup: no apt-get here; these Debian 12 packages (or their like) are needed:" $packages >&2
  exit 0
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "setup: needs root for: $*" >&2
    return 1
  fi
}

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  if [ "$status" != installed ]; then missing="$missing $package"; fi
done
if [ -n "$missing" ]; then
  echo "setup: installing$missing"
  if [ "${1:-}" = arm ]; then as_root dpkg --add-architecture arm64; fi
  as_root apt-get -o DPkg::Lock::Timeout=300 -qq update
  # In one call: libtorch's wish for a BLAS is then met by OpenBLAS, not by the reference library.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y \
    --no-install-recommends $missing
fi

# The OpenMP build of OpenBLAS: the reference BLAS is 80 times slower, the pthread build (which
# outranks it if another package brought it) fights libtorch's OpenMP threads.
for name in $(update-alternatives --get-selections | awk '/^lib(blas|lapack|openblas)\.so\./ && !/openblas-openmp/ {print $1}'); do
  path=$(update-alternatives --list "$name" | grep openblas-openmp || true)
  if [ -n "$path" ]; then
    echo "setup: $name -> $path"
    as_root update-alternatives --quiet --set "$name" "$path"
  fi
done
