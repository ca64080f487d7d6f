#!/bin/sh
# The packages as a stranger finds them: unpacked beside the system, the program run from there, the
# manual, completions and the CMake package where they belong. try_packages.sh BUILD_FOLDER
set -eu
cd "$1"
root=$PWD/unpacked
rm -rf "$root"
for package in limbeck_*.deb limbeck-train_*.deb limbeck-dev_*.deb; do
  dpkg-deb --info "$package" | grep -E '^ (Package|Version|Installed-Size|Depends|Recommends):'
  dpkg-deb -x "$package" "$root"
done
need() { ls "$root"/$1 > /dev/null || { echo "missing: $1"; exit 1; }; }
need usr/bin/limbeck
need usr/libexec/limbeck/limbeck-train
need usr/share/man/man1/limbeck.1*
need usr/share/bash-completion/completions/limbeck
need usr/share/zsh/vendor-completions/_limbeck
need usr/share/fish/vendor_completions.d/limbeck.fish
need usr/share/doc/limbeck/CHANGELOG.md
need 'usr/lib/*/cmake/limbeck/limbeck-config.cmake'
need usr/include/limbeck/base/error.h
"$root/usr/bin/limbeck" --version
"$root/usr/bin/limbeck" run --help | grep -q Usage
# What is not installed from a package would be missing on another machine.
for program in usr/bin/limbeck usr/libexec/limbeck/limbeck-train; do
  ldd "$root/$program" | grep 'not found' && exit 1
done
ls -l limbeck_*.deb limbeck-train_*.deb limbeck-dev_*.deb
