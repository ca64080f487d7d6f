# What the libraries link: Debian 12 packages, which scripts/setup.sh installs. This file is
# installed beside limbeck-config.cmake, so that a consumer finds the same.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_package(CURL 7.80 REQUIRED)
find_package(Boost 1.74 REQUIRED)  # headers: Asio and Beast

# limbeck_<name>: an interface target for a library that ships neither a CMake package nor a module.
function(_limbeck_library name header library)
  if(TARGET limbeck_${name})
    return()
  endif()
  find_path(${name}_INCLUDE ${header} REQUIRED)
  find_library(${name}_LIBRARY ${library} REQUIRED)
  add_library(limbeck_${name} INTERFACE IMPORTED)
  target_include_directories(limbeck_${name} INTERFACE ${${name}_INCLUDE})
  target_link_libraries(limbeck_${name} INTERFACE ${${name}_LIBRARY})
endfunction()
_limbeck_library(pcre2 pcre2.h pcre2-8)
_limbeck_library(utf8proc utf8proc.h utf8proc)
_limbeck_library(sqlite3 sqlite3.h sqlite3)
