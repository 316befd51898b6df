# Uses saw as another project does; run by ctest with cmake -P. <way> is find_package (from an installation that was
# moved since), deb (from what a Debian package unpacks to), add_subdirectory or fetch_content.

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

if(way MATCHES "^(find_package|deb)$")
  file(REMOVE_RECURSE "${work}")
  if(way STREQUAL "deb")
    file(MAKE_DIRECTORY "${work}/package")
    run("${cpack}" -G DEB -C "${config}" --config "${build}/CPackConfig.cmake" -B "${work}/package")
    file(GLOB package "${work}/package/*.deb")
    list(LENGTH package count)
    if(NOT count EQUAL 1)
      message(FATAL_ERROR "cpack made ${count} packages instead of one")
    endif()
    run(dpkg-deb -x "${package}" "${work}/unpacked")
    file(RENAME "${work}/unpacked/usr" "${work}/moved")
    # What it depends on is what the scripts install.
    execute_process(COMMAND dpkg-deb -f "${package}" Depends OUTPUT_VARIABLE depends OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT depends MATCHES "libfmt-dev")
      message(FATAL_ERROR "a consumer includes fmt's headers, and the package does not depend on them: ${depends}")
    endif()
    file(READ "${source}/scripts/lib.sh" scripts)
    string(REGEX MATCHALL "[a-z0-9.+-]+-dev" packages "${depends}")
    foreach(name IN LISTS packages)
      string(FIND "${scripts}" "\"${name}|" position)
      if(position EQUAL -1)
        message(FATAL_ERROR "the package depends on ${name}, which scripts/lib.sh does not know")
      endif()
    endforeach()
  else()
    run("${CMAKE_COMMAND}" --install "${build}" --prefix "${work}/installed" --config "${config}")
    file(RENAME "${work}/installed" "${work}/moved")
  endif()

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
  # No build type: the library is compiled once more here, and without optimisation and with fewer SIMD levels that is
  # quick. The compiler cache
  # may find what the same test compiled in another build tree, whose directory has another name.
  set(ENV{CCACHE_BASEDIR} "${source}")
  set(ENV{CCACHE_NOHASHDIR} 1)
  list(APPEND options "-DSAW_FEWER_SIMD_LEVELS=ON")
endif()

run("${CMAKE_COMMAND}" -S "${consumer}" -B "${work}/build" ${options})
if(way STREQUAL "fetch_content")
  return() # configured like add_subdirectory: to compile everything again would show nothing new
endif()
run("${CMAKE_COMMAND}" --build "${work}/build" --target consumer --parallel 2)
run("${work}/build/consumer")
