# limbeck::distill. Its public headers name no torch type except those in the list below, so what
# stands above it builds the same with and without libtorch; without it without_torch.cpp answers.
if(LIMBECK_TRAIN)
  find_package(Torch REQUIRED)
  find_package(OpenMP REQUIRED COMPONENTS CXX)  # at::parallel_for is a header; simd loops
  limbeck_module(distill ONE_PROCESS DEPENDS model EXCLUDE without_torch.cpp LINK_PRIVATE torch OpenMP::OpenMP_CXX)
  # Torch's headers cost 17 s and 1 GB a file; precompiled, 3 s.
  target_precompile_headers(limbeck_distill PRIVATE <torch/torch.h>)
  target_compile_options(limbeck_distill PRIVATE -fno-math-errno)  # else sqrt and tanh stay calls
  if(TARGET distill_test)
    target_link_libraries(distill_test PRIVATE torch OpenMP::OpenMP_CXX)
    target_compile_options(distill_test PRIVATE -fno-math-errno)
    target_precompile_headers(distill_test REUSE_FROM limbeck_distill)
  endif()
  target_link_libraries(limbeck_distill INTERFACE $<LINK_ONLY:torch> $<LINK_ONLY:OpenMP::OpenMP_CXX>)
else()
  limbeck_module(distill DEPENDS model ONLY without_torch.cpp)
endif()
