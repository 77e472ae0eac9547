signet_test(unit xades_build SOURCES xades/build_test.cpp xades/compatible_test.cpp LIBRARIES signet::xades signet::demo LibXml2::LibXml2)
include(xades_verify.cmake OPTIONAL)
