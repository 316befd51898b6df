# Uses saw as another project does; run by ctest with cmake -P. <way> is find_package (from an installation that was
# moved since), add_subdirectory or fetch_content.

cmake_minimum_required(VERSION 3.20...3.31)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(result)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "failed (${result}): ${command}")
  endif()
endfunction()

set(options
  -G "${generator}"
  "-DCMAKE_CXX_COMPILER=${compiler}"
  "-DCMAKE_CXX_COMPILER_LAUNCHER=${launcher}"
  "-DWAY=${way}"
  "-DSAW_SOURCE=${source}")

if(way STREQUAL "find_package")
  file(REMOVE_RECURSE "${work}")
  run("${CMAKE_COMMAND}" --install "${build}" --prefix "${work}/installed" --config "${config}")
  file(RENAME "${work}/installed" "${work}/moved")

  file(GLOB_RECURSE package_files "${work}/moved/*.cmake")
  if(NOT package_files)
    message(FATAL_ERROR "the installation has no package config")
  endif()
  foreach(package_file IN LISTS package_files)
    file(READ "${package_file}" text)
    foreach(directory IN ITEMS "${source}/" "${build}/" "${work}/")
      string(FIND "${text}" "${directory}" position)
      if(NOT position EQUAL -1)
        message(FATAL_ERROR "${package_file} mentions ${directory}: the installation cannot be moved")
      endif()
    endforeach()
  endforeach()

  list(APPEND options
    "-DCMAKE_PREFIX_PATH=${work}/moved" "-DCMAKE_BUILD_TYPE=${config}" "-DCMAKE_CXX_FLAGS=${flags}")
else()
  # No build type: the library is compiled once more here, and without optimisation that is quick. The compiler cache
  # may find what the same test compiled in another build tree, whose directory has another name.
  set(ENV{CCACHE_BASEDIR} "${source}")
  set(ENV{CCACHE_NOHASHDIR} 1)
endif()

run("${CMAKE_COMMAND}" -S "${consumer}" -B "${work}/build" ${options})
if(way STREQUAL "fetch_content")
  return() # configured like add_subdirectory: to compile everything again would show nothing new
endif()
run("${CMAKE_COMMAND}" --build "${work}/build" --target consumer --parallel 2)
run("${work}/build/consumer")
