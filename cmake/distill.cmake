# limbeck::distill. Its public headers name no torch type except those in the list below, so what
# stands above it builds the same with and without libtorch; without it without_torch.cpp answers.
if(LIMBECK_TRAIN)
  find_package(Torch REQUIRED)
  find_package(OpenMP REQUIRED COMPONENTS CXX)  # at::parallel_for is a header; simd loops
  # Behind limbeck_options, so that these win: training needs no bit equality between instruction
  # sets; vector sqrt and selects need no traps.
  add_library(limbeck_distill_flags INTERFACE IMPORTED)
  target_compile_options(limbeck_distill_flags INTERFACE -ffp-contract=fast -fno-math-errno -fno-trapping-math)
  # A libtorch that brings its own fmt headers puts them before the system's: used without its library then.
  foreach(folder IN LISTS TORCH_INCLUDE_DIRS)
    if(EXISTS ${folder}/fmt/format.h)
      target_compile_definitions(limbeck_distill_flags INTERFACE FMT_HEADER_ONLY)
    endif()
  endforeach()
  # Before torch: wheels' libtorch.so exports an unusable std::filesystem of its own.
  set(libraries stdc++ torch OpenMP::OpenMP_CXX limbeck_distill_flags)
  limbeck_module(distill ONE_PROCESS DEPENDS model EXCLUDE without_torch.cpp LINK_PRIVATE ${libraries})
  # Torch's headers cost 17 s and 1 GB a file; precompiled, 3 s.
  target_precompile_headers(limbeck_distill PRIVATE <torch/torch.h>)
  if(TARGET distill_test)
    target_link_libraries(distill_test PRIVATE ${libraries})
    target_precompile_headers(distill_test REUSE_FROM limbeck_distill)
  endif()
  target_link_libraries(limbeck_distill INTERFACE $<LINK_ONLY:stdc++> $<LINK_ONLY:torch> $<LINK_ONLY:OpenMP::OpenMP_CXX>)
else()
  limbeck_module(distill DEPENDS model ONLY without_torch.cpp plan.cpp train_config.cpp train_data.cpp train_options.cpp
                 lora_targets.cpp)
endif()
