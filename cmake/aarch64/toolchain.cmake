# 64-bit ARM from any Debian machine: its cross compiler, its arm64 packages, qemu-user for what is built.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu max)
# Debian's packages for both kinds of machine lie in the same root, beside each other.
set(CMAKE_FIND_ROOT_PATH /)
set(CMAKE_PREFIX_PATH ${CMAKE_CURRENT_LIST_DIR} /usr/lib/aarch64-linux-gnu/cmake)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_SKIP_RPATH ON)  # the system knows where they are
