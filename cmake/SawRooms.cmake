# The library targets. A room is a directory of headers beside their sources, and one library: saw::<room>.

set(SAW_ROOMS "")
set(SAW_PUBLIC_HEADERS "") # relative to the repository, in the order of the rooms

# Everyone, saw's own sources too, writes #include "saw/autograd/tape/tensor.h". Before installation those paths lead to the
# sources through symbolic links in the build tree.
set(SAW_INCLUDE_DIR "${CMAKE_CURRENT_BINARY_DIR}/include")
file(MAKE_DIRECTORY "${SAW_INCLUDE_DIR}/saw")
file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}/saw.h" "${SAW_INCLUDE_DIR}/saw/saw.h" SYMBOLIC)

include(GNUInstallDirs)

# saw_add_room(<name> [PUBLIC targets…] [PRIVATE targets…] [BUILD_ONLY targets…] [WITHOUT folders…])
# BUILD_ONLY is for header-only libraries that nobody needs once the room is compiled; WITHOUT names folders of the room
# that are left out of this build.
function(saw_add_room room)
  cmake_parse_arguments(PARSE_ARGV 1 room "" "" "PUBLIC;PRIVATE;BUILD_ONLY;WITHOUT")
  set(directory "${CMAKE_CURRENT_SOURCE_DIR}/${room}")
  set(target saw_${room})
  file(CREATE_LINK "${directory}" "${SAW_INCLUDE_DIR}/saw/${room}" SYMBOLIC)

  # Globbing, with CONFIGURE_DEPENDS, so that an op or layer whose file exists is in the library: a list kept by hand
  # would be the one place where it can be forgotten.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${directory}/*.cpp")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}" "${directory}/*.h")
  list(FILTER headers EXCLUDE REGEX "/(kernels|internal)/")
  foreach(folder IN LISTS room_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/${room}/${folder}/")
    list(FILTER headers EXCLUDE REGEX "^${room}/${folder}/")
  endforeach()

  # A room's kernels/ is SIMD by Highway. It is compiled for three levels: plain loops that every x86-64 runs, AVX2, and
  # AVX-512. Those in between gain little here, and every level costs build time and size.
  file(GLOB kernels CONFIGURE_DEPENDS "${directory}/kernels/*.cpp")
  if(kernels)
    list(APPEND room_PRIVATE hwy::hwy)
    set(simd "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL)")
    if(SAW_FEWER_SIMD_LEVELS)
      set(simd "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4|HWY_AVX3|HWY_AVX3_DL)")
    endif()
    if(SAW_BUILD_FUZZERS)
      # No kernel looks at the bytes of a file: one level without sanitizers builds in a fraction of the time.
      set(simd HWY_COMPILE_ONLY_STATIC)
      set_source_files_properties(${kernels} PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
    endif()
  endif()

  if(sources)
    add_library(${target} ${sources})
    saw_configure_target(${target})
    set_target_properties(${target} PROPERTIES
      VERSION ${PROJECT_VERSION}
      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
      INSTALL_RPATH "$ORIGIN"
      INSTALL_RPATH_USE_LINK_PATH ON)
    # Formulas of elementwise ops are compiled for the same levels as kernels, in the files of their ops.
    target_compile_definitions(${target} PRIVATE ${simd})
    target_link_libraries(${target} PUBLIC ${room_PUBLIC} PRIVATE ${room_PRIVATE})
    foreach(dependency IN LISTS room_BUILD_ONLY)
      target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${dependency}>)
    endforeach()
    saw_precompile(${target} <algorithm> <array> <cmath> <cstdint> <functional> <memory> <string> <utility> <vector>
      <fmt/format.h> <fmt/ranges.h> <saw/autograd/tape/tensor.h>)
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${room_PUBLIC})
    set(scope INTERFACE)
  endif()
  add_library(saw::${room} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${room})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(${target} ${scope}
    $<BUILD_INTERFACE:${SAW_INCLUDE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

  set(SAW_ROOMS ${SAW_ROOMS} ${room} PARENT_SCOPE)
  set(SAW_PUBLIC_HEADERS ${SAW_PUBLIC_HEADERS} ${headers} PARENT_SCOPE)
endfunction()

# saw::saw, for those who want all rooms.
macro(saw_add_umbrella)
  add_library(saw INTERFACE)
  add_library(saw::saw ALIAS saw)
  foreach(room IN LISTS SAW_ROOMS)
    target_link_libraries(saw INTERFACE saw::${room})
  endforeach()
  list(APPEND SAW_PUBLIC_HEADERS saw.h)
endmacro()
