# signet_translations(<program>): po/<language>.po of the calling folder, read by gettext from beside the build's programs or below
# the installed prefix. Each catalogue is there for a program of each language: one process speaks several (service/text.cpp).
find_program(SIGNET_MSGFMT msgfmt REQUIRED)
function(signet_translations program)
  foreach(language ro ru)
    foreach(program_language en ro ru)
      set(folder ${CMAKE_BINARY_DIR}/locale/${program_language}/LC_MESSAGES)
      set(catalogue ${folder}/${program}-${language}.mo)
      add_custom_command(OUTPUT ${catalogue}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
        COMMAND ${SIGNET_MSGFMT} --check-format --output-file=${catalogue} ${CMAKE_CURRENT_SOURCE_DIR}/po/${language}.po
        DEPENDS po/${language}.po VERBATIM)
      list(APPEND catalogues ${catalogue})
    endforeach()
  endforeach()
  add_custom_target(${program}_translations ALL DEPENDS ${catalogues})
endfunction()
