# limbeck::distill, which knows no libtorch, and what trains: limbeck::trainer with libtorch, or
# limbeck::no_trainer, which says that there is none. A program links one of the two.
set(torch_free event_file.cpp plan.cpp train_config.cpp train_data.cpp train_options.cpp lora_targets.cpp world.cpp)
limbeck_module(distill DEPENDS model ONLY ${torch_free} APART train_options.cpp world.cpp)
limbeck_module(distill NAME no_trainer DEPENDS distill ONLY without_torch.cpp)
set(trainer no_trainer)

if(LIMBECK_TRAIN)
  set(trainer trainer)
  find_package(Torch REQUIRED)
  find_package(OpenMP REQUIRED COMPONENTS CXX)  # at::parallel_for is a header; simd loops
  # Behind limbeck_options, so that these win: training needs no bit equality between instruction
  # sets; vector sqrt and selects need no traps.
  add_library(limbeck_trainer_flags INTERFACE IMPORTED)
  target_compile_options(limbeck_trainer_flags INTERFACE -ffp-contract=fast -fno-math-errno -fno-trapping-math)
  # A libtorch that brings its own fmt headers puts them before the system's: used without its library then.
  foreach(folder IN LISTS TORCH_INCLUDE_DIRS)
    if(EXISTS ${folder}/fmt/format.h)
      target_compile_definitions(limbeck_trainer_flags INTERFACE FMT_HEADER_ONLY)
    endif()
  endforeach()
  # Several ranks need the process group of Gloo, whose header wants Gloo's own (libgloo-dev) of a fitting version.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_INCLUDES ${TORCH_INCLUDE_DIRS})
  set(CMAKE_REQUIRED_FLAGS -std=c++20)
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # compiled, not linked
  check_cxx_source_compiles("#define USE_C10D_GLOO
    #include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
    int main() { return c10d::ProcessGroupGloo::Options::create()->threads; }" LIMBECK_GLOO_COMPILES)
  if(LIMBECK_GLOO_COMPILES)
    target_compile_definitions(limbeck_trainer_flags INTERFACE LIMBECK_GLOO)
    if(TORCH_CUDA_LIBRARIES)
      check_cxx_source_compiles("#define USE_C10D_NCCL
        #include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
        int main() { return c10d::ProcessGroupNCCL::Options::create()->is_high_priority_stream; }" LIMBECK_NCCL_COMPILES)
      if(LIMBECK_NCCL_COMPILES)
        target_compile_definitions(limbeck_trainer_flags INTERFACE LIMBECK_NCCL)
      endif()
    endif()
  endif()
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_FLAGS)
  unset(CMAKE_TRY_COMPILE_TARGET_TYPE)
  # Before torch: wheels' libtorch.so exports an unusable std::filesystem of its own.
  set(libraries stdc++ torch OpenMP::OpenMP_CXX limbeck_trainer_flags)
  limbeck_module(distill NAME trainer ONE_PROCESS DEPENDS distill EXCLUDE without_torch.cpp ${torch_free}
                 LINK_PRIVATE ${libraries})
  # Torch's headers cost 17 s and 1 GB a file. Precompiled, their templates still cost as much at the end of
  # each file: several files go to the compiler as one.
  target_precompile_headers(limbeck_trainer PRIVATE <torch/torch.h>)
  set_target_properties(limbeck_trainer PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  if(TARGET distill_test)
    target_link_libraries(distill_test PRIVATE ${libraries})
    target_precompile_headers(distill_test REUSE_FROM limbeck_trainer)
    set_target_properties(distill_test PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
  target_link_libraries(limbeck_trainer INTERFACE $<LINK_ONLY:stdc++> $<LINK_ONLY:torch> $<LINK_ONLY:OpenMP::OpenMP_CXX>)
endif()
