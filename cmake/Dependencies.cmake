# Everything comes from Debian 12 packages (scripts/setup); nothing is downloaded here.
find_package(OpenSSL 3 REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(LibXml2 REQUIRED)
find_package(CURL REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
pkg_check_modules(libp11 REQUIRED IMPORTED_TARGET libp11)
pkg_check_modules(p11kit REQUIRED IMPORTED_TARGET p11-kit-1)
pkg_check_modules(libassuan REQUIRED IMPORTED_TARGET libassuan)
pkg_check_modules(libsystemd REQUIRED IMPORTED_TARGET libsystemd)

# Asio and Beast are headers; what of them can be compiled once is compiled once, in net/boost.cpp.
add_library(signet_asio INTERFACE)
target_link_libraries(signet_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(signet_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY BOOST_BEAST_USE_STD_STRING_VIEW)
