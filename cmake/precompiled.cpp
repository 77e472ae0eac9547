// Compiled for its headers (cmake/Precompiled.cmake).
