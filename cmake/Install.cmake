# What `cmake --install` lays out below its prefix. signetd finds its host and the translations relative to itself, so that the
# tree may stand anywhere; user units in share/ are found by systemd for /usr, /usr/local and ~/.local alike.
install(TARGETS signetd signet DESTINATION bin)
install(TARGETS signet-token-host DESTINATION libexec/signet)
install(DIRECTORY ${PROJECT_BINARY_DIR}/locale DESTINATION share)
install(DIRECTORY drivers/catalogue/ DESTINATION share/signet/devices FILES_MATCHING PATTERN "*.toml")
install(FILES docs/man/signet.1 docs/man/signetd.1 DESTINATION share/man/man1)
install(FILES docs/man/signet.toml.5 DESTINATION share/man/man5)

# The prefix may be named as late as by `cmake --install --prefix`.
install(CODE "
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_PREFIX NORMALIZE OUTPUT_VARIABLE prefix)
  set(SIGNETD \"\${prefix}/bin/signetd\")
  configure_file(\"${PROJECT_SOURCE_DIR}/systemd/signetd.service.in\" \"${PROJECT_BINARY_DIR}/signetd.service\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/signetd.service systemd/signetd.socket systemd/signetd-web.socket DESTINATION share/systemd/user)

# The portal belongs on servers, and a build of the agent alone has none: `cmake --install --component portal`. Its unit is the system's.
install(TARGETS signet-portal DESTINATION bin COMPONENT portal EXCLUDE_FROM_ALL)
install(DIRECTORY portal/pages/dist/ DESTINATION share/signet-portal/pages COMPONENT portal EXCLUDE_FROM_ALL)
install(DIRECTORY ${PROJECT_BINARY_DIR}/locale DESTINATION share COMPONENT portal EXCLUDE_FROM_ALL)
install(FILES docs/man/signet-portal.1 DESTINATION share/man/man1 COMPONENT portal EXCLUDE_FROM_ALL)
install(FILES systemd/portal.toml docs/portal-configuration.md DESTINATION share/doc/signet-portal COMPONENT portal EXCLUDE_FROM_ALL)
install(CODE "
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_PREFIX NORMALIZE OUTPUT_VARIABLE prefix)
  set(SIGNET_PORTAL \"\${prefix}/bin/signet-portal\")
  configure_file(\"${PROJECT_SOURCE_DIR}/systemd/signet-portal.service.in\" \"${PROJECT_BINARY_DIR}/signet-portal.service\" @ONLY)"
  COMPONENT portal EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_BINARY_DIR}/signet-portal.service DESTINATION lib/systemd/system COMPONENT portal EXCLUDE_FROM_ALL)
install(FILES systemd/signet-portal.sysusers DESTINATION lib/sysusers.d RENAME signet-portal.conf COMPONENT portal EXCLUDE_FROM_ALL)
