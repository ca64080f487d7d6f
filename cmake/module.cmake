# The file name says what a file is: x_test.cpp is a test, every other .cpp belongs to the library.
function(_limbeck_sources folder out_library out_tests out_headers)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/limbeck/${folder}/*.cpp)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/limbeck/${folder}/*.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  set(${out_library} ${sources} PARENT_SCOPE)
  set(${out_tests} ${tests} PARENT_SCOPE)
  set(${out_headers} ${headers} PARENT_SCOPE)
endfunction()

# limbeck_module(<folder> [ONE_PROCESS] [DEPENDS modules...] [LINK targets...] [LINK_PRIVATE targets...]
#                [ONLY sources...] [EXCLUDE sources...])
# limbeck/<folder>/ becomes the static library limbeck::<folder> and the test program <folder>_test.
# ONE_PROCESS: run its tests in one go, for a module whose libraries take seconds to load.
# ONLY builds nothing but these files of the folder (and no tests); EXCLUDE leaves these out.
function(limbeck_module folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ONE_PROCESS" "" "DEPENDS;LINK;LINK_PRIVATE;ONLY;EXCLUDE")
  _limbeck_sources(${folder} sources tests headers)
  list(TRANSFORM arg_DEPENDS PREPEND limbeck_)
  list(TRANSFORM arg_ONLY PREPEND ${PROJECT_SOURCE_DIR}/limbeck/${folder}/)
  list(TRANSFORM arg_EXCLUDE PREPEND ${PROJECT_SOURCE_DIR}/limbeck/${folder}/)
  if(arg_ONLY)
    set(sources ${arg_ONLY})
    set(tests)
  endif()
  list(REMOVE_ITEM sources ${arg_EXCLUDE})
  if(NOT sources)  # a folder of headers alone still needs one object
    file(WRITE ${PROJECT_BINARY_DIR}/${folder}_headers.cpp "")
    set(sources ${PROJECT_BINARY_DIR}/${folder}_headers.cpp)
  endif()

  add_library(limbeck_${folder} STATIC ${sources})
  add_library(limbeck::${folder} ALIAS limbeck_${folder})
  set_target_properties(limbeck_${folder} PROPERTIES EXPORT_NAME ${folder} LINKER_LANGUAGE CXX)
  target_sources(limbeck_${folder} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
  target_link_libraries(limbeck_${folder} PUBLIC limbeck_options ${arg_DEPENDS} ${arg_LINK}
                                      PRIVATE ${arg_LINK_PRIVATE})
  set_property(GLOBAL APPEND PROPERTY LIMBECK_MODULES limbeck_${folder})

  if(LIMBECK_DEVELOPER AND tests)
    include(GoogleTest)
    add_executable(${folder}_test ${tests})
    target_link_libraries(${folder}_test PRIVATE limbeck_${folder} GTest::gtest_main)
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

# limbeck_program(<name> <folder> DEPENDS modules... [LINK targets...]): the installed executable of limbeck/<folder>/.
function(limbeck_program name folder)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPENDS;LINK")
  _limbeck_sources(${folder} sources tests headers)
  list(TRANSFORM arg_DEPENDS PREPEND limbeck_)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} ${arg_LINK})
  install(TARGETS ${name} COMPONENT runtime)
endfunction()
