# signet_library(<folder> SOURCES … HEADERS … [PUBLIC …] [PRIVATE …]): a folder is one library, and what it names here is
# all that it may include: headers are a file set, so a folder that is not linked cannot be reached.
function(signet_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;PUBLIC;PRIVATE" ${ARGN})
  add_library(signet_${name} STATIC ${ARG_SOURCES})
  add_library(signet::${name} ALIAS signet_${name})
  target_sources(signet_${name} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
  set_target_properties(signet_${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  target_include_directories(signet_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(signet_${name} PUBLIC ${ARG_PUBLIC} PRIVATE signet_options ${ARG_PRIVATE})
  signet_precompiled(signet_${name})
endfunction()
