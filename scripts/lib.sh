# Shared by the scripts: what saw needs, how to get it, how to configure and build. Sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

# What a build needs: a Debian package, and what it is for those who have to find its name elsewhere.
packages=(
  "g++|a C++20 compiler (GCC 12, Clang 14 or newer) with OpenMP"
  "cmake|CMake 3.20 or newer"
  "ninja-build|Ninja"
  "libopenblas-openmp-dev|OpenBLAS built with OpenMP, development files"
  "libfmt-dev|fmt, development files"
  "libhwy-dev|Highway, development files"
  "nlohmann-json3-dev|JSON for Modern C++"
  "libsndfile1-dev|libsndfile, development files"
  "libkissfft-dev|KissFFT, development files"
  "libzip-dev|libzip, development files"
  "zlib1g-dev|zlib, development files"
  "libpng-dev|libpng, development files"
  "libsentencepiece-dev|SentencePiece, development files"
  "libcli11-dev|CLI11"
  "doctest-dev|doctest"
  "libbenchmark-dev|Google Benchmark, development files"
)

# A tool that is there, from wherever, is good enough; a library has to be the package.
is_installed() {
  case $1 in
    g++) command -v g++ >/dev/null ;;
    cmake | ccache | doxygen | python3) command -v "$1" >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    *) [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]] ;;
  esac
}

# install_packages <package>…: installs those that are missing, with apt-get.
install_packages() {
  local package missing=() as_root=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return

  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null ||
      die "Packages are missing, and without root or sudo they cannot be installed from here. As root:" \
        "  apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

list_packages() {
  printf '%s\n' "saw needs these, here by their names in Debian 12:"
  printf '%s\n' "${packages[@]}" | awk -F'|' '{ printf "  %-24s %s\n", $1, $2 }'
}

install_dependencies() {
  if command -v apt-get >/dev/null; then
    install_packages "${packages[@]%%|*}"
  elif [[ ! -e $root/build/build.ninja ]]; then
    # Another system: configuring finds out whether everything is there.
    configure release >&2 || die "" "Something is missing, and this system has no apt-get to get it with." "$(list_packages)"
  fi
}

# build_directory <preset>
build_directory() {
  if [[ $1 == release ]]; then printf '%s/build' "$root"; else printf '%s/build-%s' "$root" "$1"; fi
}

# configure <preset> [option…]
configure() {
  (cd "$root" && cmake --preset "$@")
}

# build <preset> [target…]: configures when that was not done before (Ninja does it again by itself when a CMake file
# changes) or when SAW_CMAKE_OPTIONS asks for something, then builds the targets, or everything.
build() {
  local preset=$1 directory options=()
  shift
  directory=$(build_directory "$preset")
  read -r -a options <<<"${SAW_CMAKE_OPTIONS:-}"
  if [[ ! -e $directory/build.ninja || ${#options[@]} -gt 0 ]]; then
    say "configuring ${directory##*/}/"
    configure "$preset" "${options[@]}" >&2
  fi
  cmake --build "$directory" --parallel "$(nproc)" ${1+--target "$@"} >&2
}

# run_tests <preset> [ctest option…]
run_tests() {
  local preset=$1
  shift
  ctest --test-dir "$(build_directory "$preset")" --output-on-failure --no-tests=error --parallel "$(nproc)" "$@"
}
