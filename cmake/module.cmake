# The file name says what a file is: x_test.cpp and x_test.h are of the tests, every other file is of the library.
function(_limbeck_sources folder out_library out_tests out_headers)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/limbeck/${folder}/*.cpp)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/limbeck/${folder}/*.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER headers EXCLUDE REGEX "_test\\.h$")
  set(${out_library} ${sources} PARENT_SCOPE)
  set(${out_tests} ${tests} PARENT_SCOPE)
  set(${out_headers} ${headers} PARENT_SCOPE)
endfunction()

# limbeck_module(<folder> [NAME name] [ONE_PROCESS] [DEPENDS modules...] [LINK targets...] [LINK_PRIVATE targets...]
#                [TEST_LINK targets...] [ONLY sources...] [EXCLUDE sources...] [APART all|sources...])
# limbeck/<folder>/ becomes the static library limbeck::<folder> and the test program <folder>_test.
# NAME: a further library of the folder, without headers of its own.
# ONE_PROCESS: run its tests in one go, for a module whose libraries take seconds to load.
# APART: in a unity build (CMAKE_UNITY_BUILD), all files or these go to the compiler alone: names in their unnamed
# namespaces are also those of other files, or they are compiled for one instruction set each.
# ONLY builds nothing but these files of the folder (and no tests); EXCLUDE leaves these out.
function(limbeck_module folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ONE_PROCESS" "NAME" "DEPENDS;LINK;LINK_PRIVATE;TEST_LINK;ONLY;EXCLUDE;APART")
  _limbeck_sources(${folder} sources tests headers)
  list(TRANSFORM arg_DEPENDS PREPEND limbeck_)
  list(TRANSFORM arg_ONLY PREPEND ${PROJECT_SOURCE_DIR}/limbeck/${folder}/)
  list(TRANSFORM arg_EXCLUDE PREPEND ${PROJECT_SOURCE_DIR}/limbeck/${folder}/)
  if(arg_ONLY)
    set(sources ${arg_ONLY})
    set(tests)
  endif()
  list(REMOVE_ITEM sources ${arg_EXCLUDE})
  if(arg_APART STREQUAL all)
    set(arg_APART ${sources} ${tests})
  else()
    list(TRANSFORM arg_APART PREPEND ${PROJECT_SOURCE_DIR}/limbeck/${folder}/)
  endif()
  if(arg_APART)
    set_source_files_properties(${arg_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  if(NOT sources)  # a folder of headers alone still needs one object
    file(WRITE ${PROJECT_BINARY_DIR}/${folder}_headers.cpp "")
    set(sources ${PROJECT_BINARY_DIR}/${folder}_headers.cpp)
  endif()

  set(name ${folder})
  if(arg_NAME)
    set(name ${arg_NAME})
    set(headers)
  endif()
  add_library(limbeck_${name} STATIC ${sources})
  add_library(limbeck::${name} ALIAS limbeck_${name})
  set_target_properties(limbeck_${name} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX)
  target_sources(limbeck_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
  target_link_libraries(limbeck_${name} PUBLIC limbeck_options ${arg_DEPENDS} ${arg_LINK}
                                      PRIVATE ${arg_LINK_PRIVATE})
  set_property(GLOBAL APPEND PROPERTY LIMBECK_MODULES limbeck_${name})

  if(LIMBECK_DEVELOPER AND tests)
    include(GoogleTest)
    add_executable(${folder}_test ${tests})
    target_link_libraries(${folder}_test PRIVATE limbeck_${name} ${arg_TEST_LINK} GTest::gtest_main)
    target_compile_definitions(${folder}_test PRIVATE LIMBECK_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    if(arg_ONE_PROCESS)
      add_test(NAME ${folder} COMMAND ${folder}_test)
      set_tests_properties(${folder} PROPERTIES LABELS "unit;${folder}")
    else()
      gtest_discover_tests(${folder}_test TEST_PREFIX ${folder}. NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
                           PROPERTIES LABELS "unit;${folder}")
    endif()
  endif()
endfunction()

# limbeck_program(<name> <folder> COMPONENT package DESTINATION folder DEPENDS modules... [LINK targets...])
# An installed executable of limbeck/<folder>/; the folder's files are compiled once for all its programs.
function(limbeck_program name folder)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "COMPONENT;DESTINATION" "DEPENDS;LINK")
  list(TRANSFORM arg_DEPENDS PREPEND limbeck_)
  if(NOT TARGET limbeck_${folder})
    _limbeck_sources(${folder} sources tests headers)
    add_library(limbeck_${folder} OBJECT ${sources})
    target_link_libraries(limbeck_${folder} PRIVATE ${arg_DEPENDS} ${arg_LINK})
    # All include CLI11, 15 s a file.
    set_target_properties(limbeck_${folder} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 7)
  endif()
  add_executable(${name} $<TARGET_OBJECTS:limbeck_${folder}>)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} ${arg_LINK})
  install(TARGETS ${name} DESTINATION ${arg_DESTINATION} COMPONENT ${arg_COMPONENT})
endfunction()
