# Of the edge preset: libraries are linked statically where the system has them so. libcurl stays
# shared (it brings the system's TLS and name services), as do libc, fmt and yaml-cpp.
set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
set(OPENSSL_USE_STATIC_LIBS ON)
find_library(CURL_LIBRARY_RELEASE NAMES libcurl.so)
