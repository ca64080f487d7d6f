#!/bin/sh
# How many compilers at once: one per core, but a file with torch's headers takes over 1 GB.
cores=$(nproc)
fit=$(awk '/^MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
if [ "$fit" -lt 1 ]; then fit=1; fi
if [ "$cores" -lt "$fit" ]; then echo "$cores"; else echo "$fit"; fi
