# One library a folder, one test program a folder: the link lines are the map of who may include whom.

set(GANTRY_WARNINGS -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Wrong alarms of gcc 12 inside std::string (gcc bugs 105329, 105651), gone in 13.
  list(APPEND GANTRY_WARNINGS -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()

add_library(gantry_options INTERFACE)
target_include_directories(gantry_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(gantry_options INTERFACE ${GANTRY_WARNINGS} $<$<BOOL:${GANTRY_WERROR}>:-Werror>)
if(GANTRY_SANITIZE)
  target_compile_options(gantry_options INTERFACE -fsanitize=${GANTRY_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(gantry_options INTERFACE -fsanitize=${GANTRY_SANITIZE})
endif()

# gantry_library(NAME SOURCES file... LINK target... PCH header...)
function(gantry_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PCH" ${ARGN})
  if(NOT ARG_SOURCES)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE gantry_options ${ARG_LINK})
    return()
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC gantry_options ${ARG_LINK})
  if(ARG_PCH)
    target_precompile_headers(${name} PRIVATE ${ARG_PCH})
  endif()
endfunction()

# gantry_test(NAME SOURCES file... LINK target...): a Catch2 program, registered with ctest as one test.
function(gantry_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/support/catch_main.cpp ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE gantry_options ${ARG_LINK})
  target_precompile_headers(${name} PRIVATE <catch2/catch.hpp> <string> <vector>)
  # Catch2's macros cost the optimizer more than the tests gain: the code under test keeps the preset's level.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O0>)
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# gantry_proto(NAME FILES file.proto...): generated code stays in the build folder, under the folder of its source.
function(gantry_proto name)
  cmake_parse_arguments(ARG "" "" "FILES" ${ARGN})
  set(generated)
  foreach(file ${ARG_FILES})
    file(RELATIVE_PATH relative ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    string(REGEX REPLACE "\\.proto$" "" stem ${relative})
    add_custom_command(
      OUTPUT ${PROJECT_BINARY_DIR}/${stem}.pb.cc ${PROJECT_BINARY_DIR}/${stem}.pb.h
      COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR} --cpp_out=${PROJECT_BINARY_DIR}
              ${PROJECT_SOURCE_DIR}/${relative}
      DEPENDS ${PROJECT_SOURCE_DIR}/${relative}
      COMMENT "protoc ${relative}"
      VERBATIM)
    list(APPEND generated ${PROJECT_BINARY_DIR}/${stem}.pb.cc)
  endforeach()
  add_library(${name} STATIC ${generated})
  target_include_directories(${name} SYSTEM PUBLIC ${PROJECT_BINARY_DIR})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf-lite)
  if(GANTRY_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${GANTRY_SANITIZE})
  endif()
endfunction()
