# FindKissFFT: KissFFT for float. Defines the imported target KissFFT::float.
#
# KissFFT's own config file asks for policies of a CMake older than what today's CMake supports: header and library are
# all that is needed.

find_path(KissFFT_INCLUDE_DIR NAMES kiss_fftr.h PATH_SUFFIXES kissfft)
find_library(KissFFT_LIBRARY NAMES kissfft-float)
mark_as_advanced(KissFFT_INCLUDE_DIR KissFFT_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(KissFFT
  REQUIRED_VARS KissFFT_LIBRARY KissFFT_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "On Debian or Ubuntu: apt-get install libkissfft-dev")

if(KissFFT_FOUND AND NOT TARGET KissFFT::float)
  add_library(KissFFT::float UNKNOWN IMPORTED)
  set_target_properties(KissFFT::float PROPERTIES
    IMPORTED_LOCATION "${KissFFT_LIBRARY}"
    INTERFACE_COMPILE_DEFINITIONS "kiss_fft_scalar=float"
    INTERFACE_INCLUDE_DIRECTORIES "${KissFFT_INCLUDE_DIR}")
endif()
