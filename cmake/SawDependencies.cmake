# Finds the libraries saw is built with and, where one is missing, says which package has it.

set(SAW_APT_PACKAGES "")

macro(saw_find package apt_package)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    list(APPEND SAW_APT_PACKAGES ${apt_package})
  endif()
endmacro()

saw_find(OpenBLASOpenMP libopenblas-openmp-dev)
string(REGEX MATCH "^[0-9]+" compiler_major "${CMAKE_CXX_COMPILER_VERSION}")
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  saw_find(OpenMP libomp-${compiler_major}-dev COMPONENTS CXX)
else()
  saw_find(OpenMP g++ COMPONENTS CXX)
endif()
saw_find(fmt libfmt-dev)
saw_find(hwy libhwy-dev)
saw_find(nlohmann_json nlohmann-json3-dev)
saw_find(LibZip libzip-dev)
saw_find(ZLIB zlib1g-dev)

# Sound and images can be left out of a build, and then the folder audio/ is.
set(SAW_SOUND_LIBRARIES "")
set(SAW_IMAGE_LIBRARIES "")
set(SAW_WITHOUT "")
if(SAW_AUDIO)
  saw_find(SndFile libsndfile1-dev)
  saw_find(KissFFT libkissfft-dev)
  saw_find(PNG libpng-dev)
  set(SAW_SOUND_LIBRARIES SndFile::sndfile KissFFT::float)
  set(SAW_IMAGE_LIBRARIES PNG::PNG)
else()
  set(SAW_WITHOUT audio)
endif()

# Sub-words can be left out of a build.
set(SAW_HAS_SUBWORDS OFF)
set(SAW_SUBWORDS_LIBRARIES "")
if(SAW_SUBWORDS STREQUAL "AUTO")
  find_package(SentencePiece QUIET)
elseif(SAW_SUBWORDS)
  saw_find(SentencePiece libsentencepiece-dev)
endif()
if(SAW_SUBWORDS AND SentencePiece_FOUND)
  set(SAW_HAS_SUBWORDS ON)
  set(SAW_SUBWORDS_LIBRARIES SentencePiece::sentencepiece SentencePiece::train)
endif()

if(SAW_BUILD_TESTS)
  saw_find(doctest doctest-dev)
endif()
if(SAW_BUILD_EXAMPLES OR SAW_BUILD_BENCH)
  saw_find(CLI11 libcli11-dev)
endif()
if(SAW_BUILD_BENCH)
  saw_find(benchmark libbenchmark-dev)
endif()

if(SAW_APT_PACKAGES)
  list(JOIN SAW_APT_PACKAGES " " missing)
  message(FATAL_ERROR
    "saw: libraries are missing. On Debian or Ubuntu:\n"
    "  apt-get install ${missing}\n"
    "(scripts/demo and scripts/test do this for you.) Elsewhere, install the development files of the same libraries.")
endif()
