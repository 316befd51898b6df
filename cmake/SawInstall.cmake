# Libraries, public headers and the package config that find_package(saw) reads.

include(CMakePackageConfigHelpers)

set(targets saw)
foreach(room IN LISTS SAW_ROOMS)
  list(APPEND targets saw_${room})
endforeach()
install(TARGETS ${targets} EXPORT saw_targets)

foreach(header IN LISTS SAW_PUBLIC_HEADERS)
  get_filename_component(directory "${header}" DIRECTORY)
  install(FILES "${header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/saw/${directory}")
endforeach()

set(package_directory "${CMAKE_INSTALL_LIBDIR}/cmake/saw")
install(EXPORT saw_targets NAMESPACE saw:: FILE saw-targets.cmake DESTINATION "${package_directory}")

configure_package_config_file(cmake/saw-config.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/saw-config.cmake"
  INSTALL_DESTINATION "${package_directory}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/saw-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(
  FILES
    "${CMAKE_CURRENT_BINARY_DIR}/saw-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/saw-config-version.cmake"
    cmake/FindKissFFT.cmake
    cmake/FindLibZip.cmake
    cmake/FindOpenBLASOpenMP.cmake
    cmake/FindSentencePiece.cmake
    cmake/FindSndFile.cmake
  DESTINATION "${package_directory}")
