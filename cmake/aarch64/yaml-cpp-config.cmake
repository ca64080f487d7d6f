# Debian's libyaml-cpp-dev is there for one kind of machine at a time: the headers are this machine's, the library ARM's.
set(yaml-cpp_VERSION 0.7.0)
add_library(yaml-cpp SHARED IMPORTED)
set_target_properties(yaml-cpp PROPERTIES IMPORTED_LOCATION /usr/lib/aarch64-linux-gnu/libyaml-cpp.so.0.7
                                          INTERFACE_INCLUDE_DIRECTORIES /usr/include)
