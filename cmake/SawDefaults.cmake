# What holds for the whole build when saw is the top-level project: build type, compiler cache, colours. A project
# that contains saw decides these things itself.

if(SAW_IS_TOP_LEVEL)
  get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT multi_config AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()

  if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(SAW_CCACHE ccache)
    mark_as_advanced(SAW_CCACHE)
    if(SAW_CCACHE)
      set(CMAKE_CXX_COMPILER_LAUNCHER "${SAW_CCACHE}")
    endif()
  endif()
endif()

# Headers that nearly every source of a target includes are parsed once per target. A compiler cache does not see through
# that, and where there is one it saves more.
if(DEFINED CMAKE_CXX_COMPILER_LAUNCHER AND NOT CMAKE_CXX_COMPILER_LAUNCHER STREQUAL "")
  set(SAW_PRECOMPILE OFF)
else()
  set(SAW_PRECOMPILE ${SAW_IS_TOP_LEVEL})
endif()
option(SAW_PRECOMPILED_HEADERS "Parse common headers once per target (by default where there is no compiler cache)"
  ${SAW_PRECOMPILE})

# saw_precompile(<target> <header>…)
function(saw_precompile target)
  if(SAW_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# Flags for targets of this project. They are private: whoever links saw compiles with their own.
function(saw_configure_target target)
  set_target_properties(${target} PROPERTIES
    CXX_STANDARD 20
    CXX_STANDARD_REQUIRED ON
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow)
  if(SAW_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  # Nobody here reads errno or floating-point traps after a math function; without these two promises the compiler
  # may not vectorise sqrt or speculate a division. NaN, Inf and the order of additions keep their IEEE meaning:
  # -ffast-math is never used. Nor is -march=native: SIMD targets are chosen at run time.
  # Nor are a product and a sum fused where the code does not say so: the compiler does it in one copy of a loop and not in
  # another, and an element's bits would depend on where it lies.
  target_compile_options(${target} PRIVATE -fno-math-errno -fno-trapping-math -ffp-contract=off)
endfunction()

# Fuzzers see which branches an input takes, in every library, and stop at the first thing that a sanitizer objects to.
if(SAW_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "SAW_BUILD_FUZZERS needs Clang, whose libFuzzer they are made for: cmake --preset fuzz")
  endif()
  if(NOT SAW_AUDIO)
    message(FATAL_ERROR "SAW_BUILD_FUZZERS needs SAW_AUDIO=ON: the reader of sound files has a fuzzer")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
