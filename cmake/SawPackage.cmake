# `cpack` in the build folder makes a Debian package of what is installed: libraries, headers and the package config.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME libsaw-dev)
set(CPACK_PACKAGE_CONTACT "saw contributors <saw@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
  "A C++20 framework for training neural networks on sentences, utterances and other sets of vectors whose number changes.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)

# Headers show fmt. A static library leaves its own libraries to whoever links it; those of a shared one are found in it.
set(needs libfmt-dev)
if(BUILD_SHARED_LIBS)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
else()
  list(APPEND needs libopenblas-openmp-dev libhwy-dev libzip-dev zlib1g-dev)
  if(SAW_AUDIO)
    list(APPEND needs libsndfile1-dev libkissfft-dev libpng-dev)
  endif()
  if(SAW_HAS_SUBWORDS)
    list(APPEND needs libsentencepiece-dev)
  endif()
endif()
list(JOIN needs ", " CPACK_DEBIAN_PACKAGE_DEPENDS)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "g++, cmake")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${CPACK_PACKAGE_NAME}" RENAME copyright)

include(CPack)
