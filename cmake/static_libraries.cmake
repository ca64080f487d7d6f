# Of the edge preset: libraries are linked statically where the system has them so. Shared stay
# libcurl (it brings the system's TLS and name services), libcrypto (of which one hash is used; whole
# it is 6 MB), libc, fmt and yaml-cpp.
set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
find_library(CURL_LIBRARY_RELEASE NAMES libcurl.so)
find_library(OPENSSL_CRYPTO_LIBRARY NAMES libcrypto.so)
