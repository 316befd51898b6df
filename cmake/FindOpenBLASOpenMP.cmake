# FindOpenBLASOpenMP: OpenBLAS in the flavour that is built on OpenMP.
#
# Defines the imported target OpenBLAS::OpenMP. The flavour matters: the pthread one keeps a second pool of threads
# that fights with saw's own for the cores. Debian and Ubuntu install the flavours side by side, each in a directory of
# its own, and Fedora gives each a name of its own; so these are tried first. A plain `openblas` elsewhere is accepted
# only when it says of itself that it uses OpenMP.

set(openmp_places "")
if(CMAKE_LIBRARY_ARCHITECTURE)
  list(APPEND openmp_places /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp)
endif()
file(GLOB other_places /usr/lib/*/openblas-openmp)
list(APPEND openmp_places ${other_places})

find_library(OpenBLASOpenMP_LIBRARY NAMES openblas PATHS ${openmp_places} NO_DEFAULT_PATH)
if(NOT OpenBLASOpenMP_LIBRARY)
  find_library(OpenBLASOpenMP_LIBRARY NAMES openblaso)
endif()
if(OpenBLASOpenMP_LIBRARY)
  set(OpenBLASOpenMP_USES_OPENMP TRUE CACHE INTERNAL "OpenBLAS is the OpenMP flavour")
else()
  find_library(OpenBLASOpenMP_LIBRARY NAMES openblas)
endif()

find_path(OpenBLASOpenMP_INCLUDE_DIR NAMES cblas.h
  HINTS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp
  PATH_SUFFIXES openblas-openmp openblas)
mark_as_advanced(OpenBLASOpenMP_LIBRARY OpenBLASOpenMP_INCLUDE_DIR)

if(OpenBLASOpenMP_LIBRARY AND NOT DEFINED OpenBLASOpenMP_USES_OPENMP)
  include(CheckCXXSourceRuns)
  set(CMAKE_REQUIRED_LIBRARIES "${OpenBLASOpenMP_LIBRARY}")
  check_cxx_source_runs(
    "extern \"C\" int openblas_get_parallel(void); int main() { return openblas_get_parallel() == 2 ? 0 : 1; }"
    OpenBLASOpenMP_USES_OPENMP)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLASOpenMP
  REQUIRED_VARS OpenBLASOpenMP_LIBRARY OpenBLASOpenMP_INCLUDE_DIR OpenBLASOpenMP_USES_OPENMP
  REASON_FAILURE_MESSAGE "On Debian or Ubuntu: apt-get install libopenblas-openmp-dev")

if(OpenBLASOpenMP_FOUND AND NOT TARGET OpenBLAS::OpenMP)
  add_library(OpenBLAS::OpenMP UNKNOWN IMPORTED)
  set_target_properties(OpenBLAS::OpenMP PROPERTIES
    IMPORTED_LOCATION "${OpenBLASOpenMP_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OpenBLASOpenMP_INCLUDE_DIR}")
endif()
